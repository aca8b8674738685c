-- Appends lines to the stream of all lines, and publishes each on its channel.
-- KEYS: 1 lines, 2 counters, 3 writers, 4 positions, 5 leader
-- ARGV: 1 most lines, 2 writer, 3 number of its first line here, 4 how many,
--       5 the token of the leader, who alone may append then, or ''
--       then for each line: channel, record, '' or the mark of one that came by PUBLISH and is not published again;
--       then for each position: source, place
-- Returns the id of the last line, or 'not leader'.

if ARGV[5] ~= '' and redis.call('GET', KEYS[5]) ~= ARGV[5] then
    return 'not leader'
end

-- What this writer sends again because it heard no answer is here already.
local known = tonumber(string.match(redis.call('HGET', KEYS[3], ARGV[2]) or '0', '^%d+'))
local first, count = tonumber(ARGV[3]), tonumber(ARGV[4])

-- An id is <milliseconds>-<number of the line>: so two ids tell how many lines are between them. Clocks may go back.
local clock = redis.call('TIME')
local now = math.max(clock[1] * 1000 + math.floor(clock[2] / 1000), tonumber(redis.call('HGET', KEYS[2], 'now') or 0))
local number = tonumber(redis.call('HGET', KEYS[2], 'number') or 0)
-- Others may have put entries of their own there, with any id.
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if top then
    local ms, place = string.match(top[1], '^(%d+)-(%d+)$')
    now = math.max(now, tonumber(ms))
    if tonumber(ms) == now and tonumber(place) > number then
        now = now + 1
    end
end
local id = ''
local published, marked = 0, 0

for line = math.max(1, known - first + 2), count do
    local channel, record, mark = ARGV[3 + 3 * line], ARGV[4 + 3 * line], ARGV[5 + 3 * line]
    number = number + 1
    id = string.format('%.0f-%.0f', now, number)
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], id,
        'channel', channel, 'writer', ARGV[2], 'number', first + line - 1, 'mark', mark, 'record', record)
    if mark == '' then
        redis.call('PUBLISH', channel, '{"hopstream_id":"' .. id .. '",' .. string.sub(record, 2))
        published = published + 1
    else
        marked = marked + 1
    end
end

if id == '' then
    id = string.format('%.0f-%.0f', now, number) -- all of it was known
end
redis.call('HSET', KEYS[2], 'now', string.format('%.0f', now), 'number', string.format('%.0f', number))
redis.call('HINCRBY', KEYS[2], 'published', published)
redis.call('HINCRBY', KEYS[2], 'marked', marked)
redis.call('HSET', KEYS[3], ARGV[2],
    string.format('%.0f %.0f', math.max(known, first + count - 1), now))
for position = 6 + 3 * count, #ARGV - 1, 2 do
    redis.call('HSET', KEYS[4], ARGV[position], ARGV[position + 1])
end
return id
