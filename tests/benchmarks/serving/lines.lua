-- Sends the lines of a file, one after the other: METHOD, path and body, separated by tabs.
local lines, at, wrong = {}, 0, 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^(%u+)\t([^\t]*)\t(.*)$")
    local headers = {}
    if args[2] then headers["If-None-Match"] = args[2] end
    lines[#lines + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
end

function request()
  at = at % #lines + 1
  return lines[at]
end

function response(status)
  if status ~= 200 and status ~= 304 then
    wrong = wrong + 1
    if wrong == 1 then io.write("wrong status ", status, "\n") end
  end
end
