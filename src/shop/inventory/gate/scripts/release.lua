-- Ends a lease whose purchase took nothing. ARGV: incarnation, units, key. Returns 1, or 0 if there
-- is no such lease: it was confirmed or released before, or it has run out.
end_old_leases()
return end_lease(ARGV[2] .. ':' .. ARGV[3])
