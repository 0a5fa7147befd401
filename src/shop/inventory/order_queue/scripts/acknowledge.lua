-- Acknowledges entries whose orders are decided. KEYS: stream, counters, waiting orders, and for
-- each entry its order and its key. ARGV: incarnation, group, milliseconds for which a key is kept,
-- and for each entry its id, its order's id, and 1 if its key may be used again. Returns how many
-- of the orders were waiting: one whose entry was lost has another entry, and is counted once.
local stream, counters, waiting_orders = KEYS[1], KEYS[2], KEYS[3]
local group, kept = ARGV[2], ARGV[3]
local decided = 0
for i = 4, #ARGV, 3 do
  local order, key = KEYS[4 + (i - 4) / 3 * 2], KEYS[5 + (i - 4) / 3 * 2]
  redis.call('XACK', stream, group, ARGV[i])
  decided = decided + leave_waiting(waiting_orders, order, ARGV[i + 1])
  redis.call('DEL', order)
  if redis.call('HGET', key, 'order') == ARGV[i + 1] then
    if ARGV[i + 2] == '1' then
      redis.call('DEL', key)
    else
      redis.call('PEXPIRE', key, kept)
    end
  end
end
if decided > 0 then
  redis.call('HINCRBY', counters, 'decided', decided)
end
return decided
