-- Lists entries that were acknowledged and are kept. KEYS: stream. ARGV: incarnation, group, where
-- to begin, the most entries to look at. Returns {} at the end, and otherwise the last entry that it
-- looked at and the orders, as JSON.
local stream, group = KEYS[1], ARGV[2]
local delivered
local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, about in ipairs(groups.err and {} or groups) do
  local fields = {}
  for i = 1, #about, 2 do
    fields[about[i]] = about[i + 1]
  end
  if fields['name'] == group then
    delivered = fields['last-delivered-id']
  end
end
if not delivered then
  return {}
end
local entries = redis.call('XRANGE', stream, ARGV[3], delivered, 'COUNT', ARGV[4])
if #entries == 0 then
  return {}
end
local first, last = entries[1][1], entries[#entries][1]
local is_pending = {}
for _, pending in ipairs(redis.call('XPENDING', stream, group, first, last, #entries)) do
  is_pending[pending[1]] = true
end
local found = {last}
for _, entry in ipairs(entries) do
  if not is_pending[entry[1]] then
    table.insert(found, entry[2][2])
  end
end
return found
