-- Reads what is in Redis about one product beside the level of its gate, and changes nothing. ARGV:
-- incarnation, most leases. KEYS[5] is the lock, KEYS[6] the last token. Returns the time in
-- milliseconds, the leases that run out first, each as its member and the milliseconds until then,
-- the number of all leases, the refusal, the holder of the lock, the milliseconds until its lease
-- ends, and the last token; an empty text for what does not exist.
local listed = {}
local first = redis.call('ZRANGE', leases, 0, tonumber(ARGV[2]) - 1, 'WITHSCORES')
for i = 1, #first, 2 do
  listed[i] = first[i]
  listed[i + 1] = string.format('%.0f', tonumber(first[i + 1]) - now)
end
return {
  now, listed, redis.call('ZCARD', leases), redis.call('GET', refusal) or '',
  redis.call('GET', KEYS[5]) or '', redis.call('PTTL', KEYS[5]), redis.call('GET', KEYS[6]) or ''
}
