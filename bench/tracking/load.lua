-- Sends the requests of a file in turns, a line each: path, a tab, cookie. They are put together before the
-- clock starts. LOAD_METHOD, LOAD_KEY and LOAD_FILE are in the environment.
local requests, count, last = {}, 0, 0

function init()
  local method, key = os.getenv("LOAD_METHOD"), os.getenv("LOAD_KEY")
  for line in io.lines(os.getenv("LOAD_FILE")) do
    local path, cookie = line:match("^([^\t]*)\t(.*)$")
    local headers = {["X-API-Key"] = key}
    if cookie ~= "" then headers["Cookie"] = cookie end
    count = count + 1
    requests[count] = wrk.format(method, path, headers)
  end
end

function request()
  last = last % count + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'FOUND {"answers": %d, "seconds": %f, "not_2xx": %d, "socket_errors": %d, "p50_ms": %f, "p99_ms": %f}',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
