-- A body to post, when there is one.
local body = os.getenv("BENCH_BODY")
if body and body ~= "" then
  wrk.method, wrk.body = "POST", string.rep(body, tonumber(os.getenv("BENCH_BODY_TIMES")))
end

-- What the table needs of one run of wrk, as one line of JSON at the end.
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bad_status":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
