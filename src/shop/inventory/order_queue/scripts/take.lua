-- Takes entries for a consumer: first those that another consumer has had for too long, then new
-- ones. KEYS: stream. ARGV: incarnation, group, consumer, the most entries of each kind,
-- milliseconds after which an entry is claimed (0: none is).
-- Returns the time in milliseconds, and {entry, deliveries, order as JSON} for each.
local stream, group, consumer, most = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
local taken = {}

local function text_of(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'order' then
      return fields[i + 1]
    end
  end
  return ''
end

local function read()
  return redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', most, 'STREAMS', stream, '>')
end

if tonumber(ARGV[5]) > 0 then
  local claimed = redis.pcall('XAUTOCLAIM', stream, group, consumer, ARGV[5], '0-0', 'COUNT', most)
  -- It fails if there is no group, which the read below creates.
  for _, entry in ipairs(claimed.err and {} or claimed[2]) do
    local pending = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)
    local deliveries = pending[1] and pending[1][4] or 1
    table.insert(taken, {entry[1], tostring(deliveries), text_of(entry[2])})
  end
end
local new = read()
if new and new.err then
  redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  new = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', most, 'STREAMS', stream, '>')
end
for _, entry in ipairs(new and new[1][2] or {}) do
  table.insert(taken, {entry[1], '1', text_of(entry[2])})
end
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000), taken}
