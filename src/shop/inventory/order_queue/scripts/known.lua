-- Reads which order was accepted under a key. KEYS: key. ARGV: incarnation. Returns {} if none was,
-- and otherwise {order id, fingerprint}.
local known = redis.call('HMGET', KEYS[1], 'order', 'fingerprint')
if not known[1] then
  return {}
end
return {known[1], known[2] or ''}
