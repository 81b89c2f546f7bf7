-- For wrk: posts one image over and over; prints what the benchmark reads, milliseconds and counts.
local file = os.getenv("TWINSPECT_IMAGE")
wrk.method = "POST"
wrk.body = io.open(file, "rb"):read("*a")
wrk.headers["Content-Type"] = os.getenv("TWINSPECT_TYPE")

function done(summary, latency, requests)
  local e = summary.errors
  local found = {summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout}
  for _, p in ipairs({50, 95, 99}) do found[#found + 1] = latency:percentile(p) / 1000 end
  print("found " .. table.concat(found, " "))
end
