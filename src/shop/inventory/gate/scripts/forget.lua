-- Removes a gate. ARGV: incarnation, product. KEYS[4] lists the gates.
redis.call('DEL', gate, leases, refusal)
return redis.call('ZREM', KEYS[4], ARGV[2])
