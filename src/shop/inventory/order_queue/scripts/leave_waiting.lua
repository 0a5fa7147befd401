-- Removes an order from those that wait. Returns 1 if it waited, to count it as decided once. An
-- order that was accepted before such orders were listed has a number and no text.
local function leave_waiting(waiting_orders, order, id)
  local known = redis.call('HMGET', order, 'number', 'order', 'dead')
  local was_never_listed = known[1] and not known[2] and not known[3]
  if redis.call('ZREM', waiting_orders, id) == 1 or was_never_listed then
    return 1
  end
  return 0
end

