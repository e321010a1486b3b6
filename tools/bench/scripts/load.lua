-- Load for wrk:  wrk … -s load.lua URL -- METHOD PATH FILE RATE STATUSES [HOST:PORT]
--
-- FILE has one line per request to choose from: the cumulative share of this and all earlier lines (1 on the last line), a tab,
-- and the body (POST) or the suffix of PATH (GET). RATE is the number of requests per second and thread; with 0, each connection
-- sends its next request after the last response. STATUSES is 1 to count responses by status, and 2 to measure the time to each
-- 503 as well; both cost CPU time of the client. With HOST:PORT, every second thread sends to that server.
--
-- With a rate, requests are sent at random times that are scheduled in advance (a Poisson process), independent of the responses:
-- each free connection takes the next scheduled time. Latency is measured from the actual start of a request. The delay after its
-- scheduled time is reported separately; it grows if all connections are busy.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long s; long ns; } bench_timespec;
  int clock_gettime(int clock, bench_timespec *timespec);
]]
local MONOTONIC = 1
local timespec = ffi.new("bench_timespec")

local function now_s()
  ffi.C.clock_gettime(MONOTONIC, timespec)
  return tonumber(timespec.s) + tonumber(timespec.ns) / 1e9
end

-- State of the main thread.
local threads = {}

function setup(thread)
  thread:set("number", #threads + 1)
  table.insert(threads, thread)
end

-- State of each thread.
local shares, requests = {}, {}
local scheduled, first, last = {}, 1, 0
local is_timed = false
late_us, refused_us, statuses = {}, {}, {}

-- Splits a timed request at its request id, which is the time at which it is sent, in units of 10 µs.
local function prepare(request)
  if not is_timed then return request end
  return { request:match("^(.*)TIME_OF_REQUEST(.*)$") }
end

local function read(method, path, file)
  if method == "POST" then wrk.headers["Content-Type"] = "application/json" end
  if is_timed then wrk.headers["X-Request-Id"] = "TIME_OF_REQUEST" end
  for line in io.lines(file) do
    local share, text = line:match("^(%S+)\t(.*)$")
    table.insert(shares, tonumber(share))
    if method == "POST" then
      table.insert(requests, prepare(wrk.format(method, path, nil, text)))
    else
      table.insert(requests, prepare(wrk.format(method, path .. text)))
    end
  end
end

local function define_delay(rate)
  local next_s = now_s()
  function delay()
    next_s = next_s - math.log(1 - math.random()) / rate
    last = last + 1
    scheduled[last] = next_s
    return math.max(0, math.ceil((next_s - now_s()) * 1000))
  end
end

local function send_to(server)
  local host, port = server:match("^(.+):(%d+)$")
  wrk.thread.addr = wrk.lookup(host, port)[1]
end

local function count(counts, key)
  counts[key] = (counts[key] or 0) + 1
end

local function record_refused(headers)
  for name, value in pairs(headers) do
    local sent = name:lower() == "x-request-id" and tonumber(value)
    if sent then count(refused_us, tostring(math.max(0, math.floor(now_s() * 1e5) - sent))) end
  end
end

function init(args)
  math.randomseed(number)
  is_timed = args[5] == "2"
  if args[6] and number % 2 == 0 then send_to(args[6]) end
  read(args[1], args[2], args[3])
  local rate = tonumber(args[4])
  if rate > 0 then define_delay(rate) end
  if args[5] ~= "0" then
    function response(status, headers)
      count(statuses, tostring(status))
      if is_timed and status == 503 then record_refused(headers) end
    end
  end
end

local function record_delay()
  local due_s = scheduled[first]
  scheduled[first] = nil
  first = first + 1
  -- In units of 10 µs.
  local step = tostring(math.max(0, math.floor((now_s() - due_s) * 1e5)))
  count(late_us, step)
end

function request()
  if first <= last then record_delay() end
  local target = math.random()
  local low, high = 1, #shares
  while low < high do
    local middle = math.floor((low + high) / 2)
    if shares[middle] < target then low = middle + 1 else high = middle end
  end
  if not is_timed then return requests[low] end
  return requests[low][1] .. math.floor(now_s() * 1e5) .. requests[low][2]
end

local function merged(name)
  local sums = {}
  for _, thread in ipairs(threads) do
    for key, count in pairs(thread:get(name) or {}) do
      sums[key] = (sums[key] or 0) + count
    end
  end
  return sums
end

-- Times in µs.
local function as_us(steps)
  local times = {}
  for step, number in pairs(steps) do times[tonumber(step) * 10] = number end
  return times
end

local function as_json(counts)
  local members = {}
  for key, count in pairs(counts) do
    table.insert(members, string.format('"%s":%d', key, count))
  end
  return "{" .. table.concat(members, ",") .. "}"
end

function done(summary, latency)
  print(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"not_2xx":%d,"failed":%d,"timed_out":%d,' ..
    '"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,"late_us":%s,"refused_us":%s,"statuses":%s}',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write, summary.errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
    as_json(as_us(merged("late_us"))), as_json(as_us(merged("refused_us"))), as_json(merged("statuses"))))
end
