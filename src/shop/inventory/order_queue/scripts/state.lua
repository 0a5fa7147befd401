-- Reads the queue as a whole. KEYS: stream, counters, dead letters. ARGV: incarnation, group.
-- Returns orders that wait, those of them that a consumer has, dead letters, entries of the stream,
-- the age of the oldest entry that waits, in milliseconds, and entries that were lost and written
-- again.
local stream, counters, dead, group = KEYS[1], KEYS[2], KEYS[3], ARGV[2]
local counts = redis.call('HMGET', counters, 'accepted', 'decided', 'restored')
local waiting = math.max((tonumber(counts[1]) or 0) - (tonumber(counts[2]) or 0), 0)
local pending = redis.pcall('XPENDING', stream, group)
local oldest
local taken = 0
if not pending.err then
  taken, oldest = pending[1], pending[2]
end
if not oldest and waiting > 0 then
  local delivered = '0-0'
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
  local next = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)
  oldest = next[1] and next[1][1]
end
local age = 0
if oldest then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  age = math.max(now - tonumber(string.match(oldest, '^%d+')), 0)
end
local restored = tonumber(counts[3]) or 0
return {waiting, taken, redis.call('XLEN', dead), redis.call('XLEN', stream), age, restored}
