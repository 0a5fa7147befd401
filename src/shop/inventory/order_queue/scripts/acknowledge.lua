-- Acknowledges entries whose orders are decided. KEYS: stream, counters, and for each entry its
-- order and its key. ARGV: incarnation, group, and for each entry its id, its order's id, and 1 if
-- its key may be used again. Returns how many of them were waiting.
local stream, counters, group = KEYS[1], KEYS[2], ARGV[2]
local decided = 0
for i = 3, #ARGV, 3 do
  local order, key = KEYS[3 + (i - 3) / 3 * 2], KEYS[4 + (i - 3) / 3 * 2]
  decided = decided + redis.call('XACK', stream, group, ARGV[i])
  redis.call('DEL', order)
  if ARGV[i + 2] == '1' and redis.call('HGET', key, 'order') == ARGV[i + 1] then
    redis.call('DEL', key)
  end
end
if decided > 0 then
  redis.call('HINCRBY', counters, 'decided', decided)
end
return decided
