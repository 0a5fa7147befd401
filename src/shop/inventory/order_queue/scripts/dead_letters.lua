-- Lists the dead letters, the latest first. KEYS: dead letters. ARGV: incarnation, the most of them,
-- and the only one to list or an empty text. Returns {id, order as JSON, reason, deliveries} for
-- each.
local only = ARGV[3]
local entries
if only == '' then
  entries = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])
else
  entries = redis.call('XRANGE', KEYS[1], only, only)
end
local letters = {}
for i, entry in ipairs(entries) do
  local fields = {}
  for j = 1, #entry[2], 2 do
    fields[entry[2][j]] = entry[2][j + 1]
  end
  letters[i] = {entry[1], fields['order'] or '', fields['reason'] or '', fields['deliveries'] or '0'}
end
return letters
