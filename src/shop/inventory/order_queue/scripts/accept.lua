-- Appends an order to the queue. KEYS: stream, counters, waiting orders, order, key, gate, refusal.
-- ARGV: incarnation, order id, units, fingerprint, the order as JSON, the most orders that may
-- wait, 1 to ask the gate for a recent refusal.
-- Returns {'known', order id, fingerprint} if the key was accepted before, {'refused', available,
-- version, age in milliseconds} if the row has just refused as many units, {'full'}, or
-- {'accepted', orders in front of it}.
local stream, counters, waiting_orders, order, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local gate, refusal = KEYS[6], KEYS[7]
local known = redis.call('HMGET', key, 'order', 'fingerprint')
if known[1] then
  return {'known', known[1], known[2]}
end
if ARGV[7] == '1' and redis.call('HGET', gate, 'incarnation') == ARGV[1] then
  local refused = redis.call('GET', refusal)
  local available, version, since = string.match(refused or '', '^(%-?%d+):(%d+):(%d+)$')
  if available and tonumber(available) < tonumber(ARGV[3]) then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local age = now - tonumber(since)
    -- The clock may have been set back.
    if age >= 0 then
      return {'refused', available, version, string.format('%.0f', age)}
    end
  end
end
local counts = redis.call('HMGET', counters, 'accepted', 'decided')
local waiting = (tonumber(counts[1]) or 0) - (tonumber(counts[2]) or 0)
if waiting >= tonumber(ARGV[6]) then
  return {'full'}
end
local number = redis.call('HINCRBY', counters, 'accepted', 1)
local entry = redis.call('XADD', stream, '*', 'order', ARGV[5])
-- With its text: an entry that is lost is written again.
redis.call('HSET', order, 'number', number, 'entry', entry, 'order', ARGV[5])
redis.call('ZADD', waiting_orders, number, ARGV[2])
-- Until the order is decided, its key does not expire.
redis.call('HSET', key, 'order', ARGV[2], 'fingerprint', ARGV[4])
redis.call('PERSIST', key)
return {'accepted', string.format('%.0f', math.max(waiting, 0))}
