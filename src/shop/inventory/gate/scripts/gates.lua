-- Lists the products whose gates were used since a time ago, the last used first. KEYS[1] lists the
-- gates by their last use. ARGV: incarnation, milliseconds, most products.
local time = redis.call('TIME')
local since = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', since))
return redis.call('ZREVRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)
