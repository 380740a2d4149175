package redisstore

import (
	"crypto/sha1" //nolint:gosec // the name by which a server knows a script
	"encoding/hex"
)

// The scripts. In all of them KEYS[1] is the clock, KEYS[2] the table of evicted tags, the rest records; ARGV[1] is the
// layout, ARGV[2] a random name for an epoch that has to begin. A reply begins with a status.
//
// None is flagged no-writes, although a look-up mostly reads: so a replica, and a master that lost its replicas and is
// told to mind, refuse even the look-up.

// Statuses of a reply.
const (
	statusOK        = 1
	statusFenced    = 0
	statusNotMaster = -1
	statusLayout    = -2 // followed by the layout found
)

// allowOOM lets a script run when the server has no memory left. What keeps a record goes without it.
const (
	shebang  = "#!lua\n"
	allowOOM = "#!lua flags=allow-oom\n"
)

// identified finds who the server is: the name of the history that it carries on. It changes when a replica is promoted
// and when a server starts, from an older copy or not.
const identified = `
local info = redis.call('INFO', 'replication')
if string.match(info, 'role:(%a+)') ~= 'master' then return {-1} end
local id = string.match(info, 'master_replid:(%x+)')
`

// unidentified is for a server that does not tell scripts who it is.
const unidentified = `
local id = '-'
`

// clockwork opens the clock, or begins a new epoch if it or its table is lost, half lost, damaged, or carried on by
// another server. An epoch's name is hashed with the server's time, so that a command sent twice does not begin the
// same epoch twice. began reads what a script has written before a record, parse the record's head, which lies under key, from
// where its epoch begins; fresh judges it.
const clockwork = `
local m = redis.pcall('HMGET', KEYS[1], 'l', 'e', 'i', 'c', 'n', 'f')
local held = redis.pcall('ZCARD', KEYS[2])
if m[1] and m[1] ~= ARGV[1] then return {-2, m[1]} end
local epoch, clock, floor = m[2], tonumber(m[4] or ''), tonumber(m[6] or '')
if m.err or type(held) == 'table' or not epoch or not clock or not floor or m[3] ~= id or tonumber(m[5] or '') ~= held then
  local t = redis.call('TIME')
  local name = string.sub(redis.sha1hex(ARGV[2] .. t[1] .. '.' .. t[2]), 1, 32)
  epoch, clock, floor = string.gsub(name, '..', function(h) return string.char(tonumber(h, 16)) end), 1, 0
  redis.call('UNLINK', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'l', ARGV[1], 'e', epoch, 'i', id, 'c', 1, 'n', 0, 'f', 0)
end
local function began(s)
  local tick, at = string.match(s, '^2(%d+) ()')
  if at then return tick, '0', at end
  return string.match(s, '^3(%d+) (%d+) ()')
end
local function parse(s, at, key)
  local n, slide, from = string.byte(s, at + 16), 0, at + 17
  if not n then return nil end
  if n >= 128 then
    n = n - 128
    slide, from = string.match(s, '^(%d+)\n()', from)
    slide = tonumber(slide or '')
  end
  if not slide or n > 80 or #s < from + 8 * n - 1 then return nil end
  local tags = {string.sub(key, -16)}
  for i = 1, n do tags[i + 1] = string.sub(s, from + 8 * i - 8, from + 8 * i - 1) end
  return string.sub(s, at, at + 15), slide, tags, from + 8 * n - 1
end
local function fresh(e, tick, tags)
  if e ~= epoch or tick < floor or tick > clock then return false end
  if tick == clock or #tags == 0 then return true end
  local at = redis.call('ZMSCORE', KEYS[2], unpack(tags))
  for i = 1, #tags do if at[i] and tonumber(at[i]) > tick then return false end end
  return true
end
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
`

// lookup: ARGV[3] is how large a record may be. Per record it returns a state, the head that was judged, and the
// milliseconds left. The body is fetched by a GET beside the script: through the script it would cost ten times as much.
const lookup = `
local function drop(key, state)
  redis.call('UNLINK', key)
  return state, '', 0
end
local function look(key)
  local h = redis.pcall('GETRANGE', key, 0, 767)
  if type(h) == 'table' then return drop(key, 3) end
  if h == '' then return 0, '', 0 end
  local tick, due, at = began(h)
  if not at then return drop(key, 3) end
  local e, slide, tags, last = parse(h, at, key)
  local left = redis.call('PTTL', key)
  if not e or left < 0 or redis.call('STRLEN', key) > tonumber(ARGV[3]) then return drop(key, 3) end
  if not fresh(e, tonumber(tick), tags) then return drop(key, 2) end
  if slide > 0 then
    local idle = left
    left = tonumber(due) - now()
    if left > 0 and idle <= slide * 3 / 4 then redis.call('PEXPIRE', key, math.min(slide, left)) end
  end
  if left <= 0 then return drop(key, 0) end
  return 1, string.sub(h, 1, last), left
end
local out = {1, epoch, clock}
for i = 3, #KEYS do
  local state, head, left = look(KEYS[i])
  out[#out + 1], out[#out + 2], out[#out + 3] = state, head, left
end
return out
`

// keep writes a record down: ARGV[3] is its tick, ARGV[4] its TTL in milliseconds, ARGV[5] the record from its epoch on.
const keep = `
local function keep(tick, slide)
  local ttl, due = tonumber(ARGV[4]), 0
  if slide > 0 then
    due = now() + ttl
    ttl = math.min(ttl, slide)
  end
  local begin = slide > 0 and string.format('3%.0f %.0f ', tick, due) or string.format('2%.0f ', tick)
  redis.call('SET', KEYS[3], begin .. ARGV[5], 'PX', string.format('%.0f', ttl))
end
`

const storing = keep + `
local e, slide, tags = parse(ARGV[5], 1, KEYS[3])
if not fresh(e, tonumber(ARGV[3]), tags) then return {0} end
keep(tonumber(ARGV[3]), slide)
return {1}
`

// evict: evicts ARGV[first] and what follows, and forgets the oldest quarter of the table if it holds more than max.
// What was forgotten is made up for by the floor, which forgets every record whose fill began before.
const evict = `
local function evict(max, first)
  clock = redis.call('HINCRBY', KEYS[1], 'c', 1)
  for i = first, #ARGV do redis.call('ZADD', KEYS[2], clock, ARGV[i]) end
  local n = redis.call('ZCARD', KEYS[2])
  if n > max then
    local last = n - math.floor(max * 3 / 4) - 1
    floor = tonumber(redis.call('ZRANGE', KEYS[2], last, last, 'WITHSCORES')[2])
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', floor)
    n = redis.call('ZCARD', KEYS[2])
    redis.call('HSET', KEYS[1], 'f', floor)
  end
  redis.call('HSET', KEYS[1], 'n', n)
  redis.pcall('PUBLISH', KEYS[1] .. '` + hintChannel + `', '')
end
local function answer(status)
  local out, all = {status, epoch, clock}, redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'r:' then out[#out + 1], out[#out + 2] = all[i], all[i + 1] end
  end
  return out
end
`

const evicting = evict + `
evict(tonumber(ARGV[3]), 4)
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
return answer(1)
`

// evictingAll forgets every record whose fill began before, whatever it carries: the floor rises to a new tick.
const evictingAll = evict + `
evict(0, #ARGV + 1)
redis.call('UNLINK', KEYS[2])
redis.call('HSET', KEYS[1], 'n', 0, 'f', clock)
return answer(1)
`

// replacing judges a record, evicts, and keeps the record as of the new tick: it was made by whoever evicts.
const replacing = keep + evict + `
local e, slide, tags = parse(ARGV[5], 1, KEYS[3])
local ok = fresh(e, tonumber(ARGV[3]), tags)
evict(tonumber(ARGV[6]), 7)
if ok then
  keep(clock, slide)
  return answer(1)
end
redis.call('UNLINK', KEYS[3])
return answer(0)
`

// hintChannel, after the key of a clock, is where an eviction says that there is news. To miss it costs time only.
const hintChannel = ":news"

// polling tells what was evicted since a tick, and remembers who asked: ARGV[3] is the epoch that the asker knows, ARGV[4]
// the tick up to which it has carried everything out, ARGV[5] who it is, or nothing, ARGV[6] its question and lease.
const polling = `
local known = ARGV[3] == epoch and tonumber(ARGV[4]) >= floor
local out = {1, epoch, clock, known and 0 or 1}
local tick = '0'
if known then
  tick = ARGV[4]
  local news = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. tick, '+inf')
  for i = 1, #news do out[#out + 1] = news[i] end
end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'r:' .. ARGV[5], tick .. ':' .. ARGV[6]) end
return out
`

// dismissing forgets a holder, unless it has asked again: ARGV[3] is its field, ARGV[4] what that holds.
const dismissing = `
if redis.call('HGET', KEYS[1], ARGV[3]) == ARGV[4] then redis.call('HDEL', KEYS[1], ARGV[3]) end
return {1, epoch, clock}
`

const touching = `
return {1, epoch, clock}
`

// asking returns what the server says about replication, or why it does not. It has no clockwork.
const asking = allowOOM + `
local info = redis.pcall('INFO', 'replication')
if type(info) == 'table' then return {0, info.err} end
return {1, info}
`

// script is one that a server knows by its name.
type script struct{ source, name string }

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // see the import
	return &script{source, hex.EncodeToString(sum[:])}
}

// scripts is the whole set, for servers that tell scripts who they are, or for those that do not.
type scripts struct{ lookup, store, evict, replace, touch, poll, dismiss, evictAll, sweep *script }

func newScripts(identity string) *scripts {
	always, ifRoom := allowOOM+identity+clockwork, shebang+identity+clockwork
	return &scripts{
		lookup:  newScript(always + lookup),
		store:   newScript(ifRoom + storing),
		evict:   newScript(always + evicting),
		replace: newScript(ifRoom + replacing),
		touch:   newScript(always + touching),
		poll:    newScript(always + polling),
		dismiss: newScript(always + dismissing),

		evictAll: newScript(always + evictingAll),
		sweep:    newScript(always + sweeping),
	}
}

var (
	withIdentity    = newScripts(identified)
	withoutIdentity = newScripts(unidentified)
	ask             = newScript(asking)
)
