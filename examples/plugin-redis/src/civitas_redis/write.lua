-- Makes all of some changes, or none. A value is stored behind its revision, 16 hex digits.
-- KEYS: the index of names, then the key of each change.
-- ARGV: '1' if the same was tried before, then for each change:
--   the name of the key, for the index
--   the revision that must be there: '' for any, '0' for nothing
--   what to do: 'set', 'delete', 'look' to change nothing, or 'try', which does the same but needs the rights of all
--   the revision of this write, and the value
-- Returns false, or the place of the first key with another revision than expected, and the one that is there.
local WRITER = 9 -- digits of a revision that say which store wrote; the others count its writes

local count = #KEYS - 1
local found, as_wanted = {}, ARGV[1] == '1'
for i = 1, count do
    local at = 5 * i - 3
    local there = redis.call('GETRANGE', KEYS[i + 1], 0, 15)
    found[i] = there == '' and '0' or there
    local action = ARGV[at + 2]
    if action == 'try' then -- under a key where nothing is
        redis.call('SET', KEYS[i + 1], '', 'XX')
        redis.call('ZADD', KEYS[1], 'XX', 0, ARGV[at])
        redis.call('DEL', KEYS[i + 1])
        redis.call('ZREM', KEYS[1], ARGV[at])
    end
    local wanted = action == 'set' and ARGV[at + 3] or '0'
    if (action == 'set' or action == 'delete') and found[i] ~= wanted then
        as_wanted = false
    end
end
if as_wanted then
    return false -- the answer to an earlier try was lost
end
for i = 1, count do
    local expected = ARGV[5 * i - 2]
    if expected ~= '' and found[i] ~= expected then
        return { i, found[i] }
    end
end
-- What sets comes first: a server whose memory is full refuses it, and then nothing has been changed.
for _, action in ipairs({ 'set', 'delete' }) do
    for i = 1, count do
        local at = 5 * i - 3
        local revision = ARGV[at + 3]
        -- A set that was on its way for long does not undo a later one of the same store. Behind a deletion, which
        -- leaves no revision, it is not recognised.
        local is_late = found[i]:sub(1, WRITER) == revision:sub(1, WRITER) and found[i] > revision
        if ARGV[at + 2] == action and not is_late then
            if action == 'set' then
                redis.call('SET', KEYS[i + 1], revision .. ARGV[at + 4])
                redis.call('ZADD', KEYS[1], 0, ARGV[at])
            else
                redis.call('DEL', KEYS[i + 1])
                redis.call('ZREM', KEYS[1], ARGV[at])
            end
        end
    end
end
return false
