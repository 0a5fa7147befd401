-- Removes entries that were acknowledged and are too old, and consumers that are gone. KEYS: stream.
-- ARGV: incarnation, group, milliseconds for which entries are kept, milliseconds after which a
-- consumer without entries is gone. Returns the number of removed entries.
local stream, group = KEYS[1], ARGV[2]

local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

local function is_less(a, b)
  local a_ms, a_sequence = parts(a)
  local b_ms, b_sequence = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_sequence < b_sequence)
end

local groups = redis.pcall('XINFO', 'GROUPS', stream)
local delivered
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
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = string.format('%.0f-0', math.max(now - tonumber(ARGV[3]), 0))
if is_less(delivered, before) then
  before = delivered
end
local first_pending = redis.call('XPENDING', stream, group)[2]
if first_pending and is_less(first_pending, before) then
  before = first_pending
end
for _, about in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local fields = {}
  for i = 1, #about, 2 do
    fields[about[i]] = about[i + 1]
  end
  if fields['pending'] == 0 and fields['idle'] > tonumber(ARGV[4]) then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, fields['name'])
  end
end
return redis.call('XTRIM', stream, 'MINID', before)
