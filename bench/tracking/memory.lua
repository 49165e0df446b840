-- Sends each kind of request in turns, POST and GET half each, and everything in them that a client can make up
-- is another each time. MEMORY_FILE holds valid tokens, a line each; MEMORY_FIRST is the first number that has
-- not been used yet, MEMORY_KEY the key.
local key, number = os.getenv("MEMORY_KEY"), tonumber(os.getenv("MEMORY_FIRST"))
local tokens, threads = {}, {}
statuses = {}

local function path(n) return "/playouts/made-up-" .. n .. "/tracking/session" end

local function valid(n) return "__Secure-jay_tracking=" .. tokens[n % #tokens + 1] end

-- Base64 in form alone.
local function invalid(n) return "__Secure-jay_tracking=" .. string.format("%012d", n) end

local kinds = {
  function(n) return wrk.format("POST", path(n) .. "?user_id=user-" .. n, {["X-API-Key"] = key}) end,
  function(n) return wrk.format("GET", path(n), {["X-API-Key"] = key, ["Cookie"] = valid(n)}) end,
  function(n) return wrk.format("POST", path(n), {["X-API-Key"] = key:sub(1, -13) .. string.format("%012d", n)}) end,
  function(n) return wrk.format("GET", path(n), {["X-API-Key"] = key, ["Cookie"] = invalid(n)}) end,
  function(n) return wrk.format("POST", path(n), {["X-API-Key"] = key, ["Host"] = "host-" .. n .. ".example.com"}) end,
  function(n) return wrk.format("GET", path(n), {["X-API-Key"] = key, ["Cookie"] = valid(n), ["X-Made-Up-" .. n] = "x"}) end,
  function(n) return wrk.format("POST", path(n) .. "?made-up-" .. n, {["X-API-Key"] = key}) end,
  function(n) return wrk.format("GET", path(n), {["X-API-Key"] = "made-up-" .. n}) end,
}

function setup(thread) threads[#threads + 1] = thread end

function init()
  for line in io.lines(os.getenv("MEMORY_FILE")) do tokens[#tokens + 1] = line end
end

function request()
  number = number + 1
  return kinds[number % #kinds + 1](number)
end

function response(status)
  statuses[tostring(status)] = (statuses[tostring(status)] or 0) + 1
end

function done(summary)
  local errors, parts = summary.errors, {}
  for status, count in pairs(threads[1]:get("statuses")) do
    parts[#parts + 1] = string.format('"%s": %d', status, count)
  end
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  if broken > 0 then parts[#parts + 1] = '"socket errors": ' .. broken end
  print("FOUND {" .. table.concat(parts, ", ") .. "}")
end
