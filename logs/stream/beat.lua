-- Says in the channel of beats how much others have published so far: who hears it has heard all of that, or missed it;
-- and how many lines are in the stream, whose messages were published before.
-- KEYS: 1 counters. ARGV: 1 channel, 2 gateway.
local own = redis.call('HINCRBY', KEYS[1], 'published', 1) - 1
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local all = tonumber(string.match(redis.call('INFO', 'commandstats'), 'cmdstat_publish:calls=(%d+)') or 0)
local kept = redis.call('HGET', KEYS[1], 'marked') or '0'
local lines = redis.call('HGET', KEYS[1], 'number') or '0'
redis.call('PUBLISH', ARGV[1], string.format('%s %s %.0f %s %s', ARGV[2], run, all - own, kept, lines))
return 1
