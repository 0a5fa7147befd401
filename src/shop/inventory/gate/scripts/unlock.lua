-- Releases the lock of a product if its holder still has it, and raises the last token to one that
-- was found in the stock row: Redis may have lost it. KEYS: lock, last token. ARGV: incarnation,
-- holder, token of the row, milliseconds for which an unused token is kept. Returns 1 if the holder
-- still had the lock.
local token = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
if token < tonumber(ARGV[3]) then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
end
if redis.call('GET', KEYS[1]) == ARGV[2] then
  return redis.call('DEL', KEYS[1])
end
return 0
