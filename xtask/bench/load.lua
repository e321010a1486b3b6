-- Load for wrk:  wrk … -s load.lua URL -- METHOD PATH FILE RATE STATUSES [HOST:PORT]
--
-- FILE has a line for each request to choose from: a share of 1 that includes the lines before it, a tab, and the body
-- (POST) or what is appended to PATH (GET). RATE is how many requests a thread sends in a second; 0 sends the next as
-- soon as the last is answered. STATUSES is 1 to count answers by status, which costs the client time. With HOST:PORT,
-- every second thread sends to that server.
--
-- With a rate, requests are sent at random moments that are fixed beforehand (a Poisson process), whatever the answers
-- take: each connection that is free takes the next moment. How much later than its moment a request was sent is told
-- beside its latency, which begins when it is sent: were all connections busy, it would show there.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long s; long ns; } bench_moment;
  int clock_gettime(int clock, bench_moment *moment);
]]
local MONOTONIC = 1
local moment = ffi.new("bench_moment")

local function now_s()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end

-- In the main state.
local threads = {}

function setup(thread)
  thread:set("number", #threads + 1)
  table.insert(threads, thread)
end

-- In each thread.
local shares, requests = {}, {}
local planned, first, last = {}, 1, 0
late_us, statuses = {}, {}

local function read(method, path, file)
  if method == "POST" then wrk.headers["Content-Type"] = "application/json" end
  for line in io.lines(file) do
    local share, text = line:match("^(%S+)\t(.*)$")
    table.insert(shares, tonumber(share))
    if method == "POST" then
      table.insert(requests, wrk.format(method, path, nil, text))
    else
      table.insert(requests, wrk.format(method, path .. text))
    end
  end
end

local function define_delay(rate)
  local next_s = now_s()
  function delay()
    next_s = next_s - math.log(1 - math.random()) / rate
    last = last + 1
    planned[last] = next_s
    return math.max(0, math.ceil((next_s - now_s()) * 1000))
  end
end

local function send_to(server)
  local host, port = server:match("^(.+):(%d+)$")
  wrk.thread.addr = wrk.lookup(host, port)[1]
end

function init(args)
  math.randomseed(number)
  if args[6] and number % 2 == 0 then send_to(args[6]) end
  read(args[1], args[2], args[3])
  local rate = tonumber(args[4])
  if rate > 0 then define_delay(rate) end
  if args[5] == "1" then
    function response(status)
      local key = tostring(status)
      statuses[key] = (statuses[key] or 0) + 1
    end
  end
end

local function note_lateness()
  local due_s = planned[first]
  planned[first] = nil
  first = first + 1
  -- In steps of 10 µs.
  local step = tostring(math.max(0, math.floor((now_s() - due_s) * 1e5)))
  late_us[step] = (late_us[step] or 0) + 1
end

function request()
  if first <= last then note_lateness() end
  local wanted = math.random()
  local low, high = 1, #shares
  while low < high do
    local middle = math.floor((low + high) / 2)
    if shares[middle] < wanted then low = middle + 1 else high = middle end
  end
  return requests[low]
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

local function as_json(counts)
  local members = {}
  for key, count in pairs(counts) do
    table.insert(members, string.format('"%s":%d', key, count))
  end
  return "{" .. table.concat(members, ",") .. "}"
end

function done(summary, latency)
  local late = {}
  for step, count in pairs(merged("late_us")) do late[tonumber(step) * 10] = count end
  print(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"not_2xx":%d,"failed":%d,"timed_out":%d,' ..
    '"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,"late_us":%s,"statuses":%s}',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write, summary.errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
    as_json(late), as_json(merged("statuses"))))
end
