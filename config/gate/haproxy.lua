-- Asks waitroom before HAProxy passes a request on. See docs/protect-a-site.md.

local HOP = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["expect"] = true, ["te"] = true, ["upgrade"] = true, ["accept-encoding"] = true }

-- A question has to fit into one buffer of HAProxy (16,384 bytes by default), or it fails as if waitroom were away.
local HEAD_BYTES_MAX, HEADER_OVERHEAD = 12000, 24

local function size_of(headers)
  local size = 0
  for name, values in pairs(headers) do
    for _, value in ipairs(values) do size = size + #name + #value + HEADER_OVERHEAD end
  end
  return size
end

-- Returns the headers of a request as a client sends them, without those of its body and its connection.
local function headers_of(txn)
  local found = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not HOP[name] then
      found[name] = {}
      for i = 0, #values do table.insert(found[name], values[i]) end
    end
  end
  return found
end

core.register_action("waitroom", { "http-req" }, function(txn, room, url, when_away)
  local headers = headers_of(txn)
  headers["x-forwarded-method"] = { txn.sf:method() }
  headers["x-forwarded-host"] = { txn.sf:req_hdr("host") }
  headers["x-forwarded-uri"] = { txn.sf:pathq() }
  headers["x-original-uri"], headers["x-original-url"], headers["x-original-method"] = nil, nil, nil
  if size_of(headers) > HEAD_BYTES_MAX then
    txn:done(txn:reply({ status = 431, reason = "Request Header Fields Too Large" }))
  end
  local answer = core.httpclient():get({ url = url .. "/check/" .. room .. "?mode=redirect", headers = headers, timeout = 5000 })
  local status = answer and answer.status or 0
  if status == 204 then
    for _, name in ipairs({ "x-waitroom-session", "x-waitroom-seconds-left" }) do
      if answer.headers[name] then txn.http:req_set_header(name, answer.headers[name][0]) end
    end
    txn:set_var("txn.waitroom_cookie", txn.sf:req_hdr("cookie"))
    txn:set_var("txn.waitroom_room", room)
    return
  end
  if status < 200 or status >= 500 then
    if when_away == "open" then return end
    local away = txn:reply({ status = 503 })
    away:add_header("retry-after", "30")
    txn:done(away)
  end
  local reply = txn:reply({ status = status })
  for name, values in pairs(answer.headers) do
    if not HOP[name] then
      for i = 0, #values do reply:add_header(name, values[i]) end
    end
  end
  reply:set_body(answer.body)
  txn:done(reply)
end, 3)

core.register_action("waitroom_release", { "http-res" }, function(txn, url)
  local room, cookie = txn:get_var("txn.waitroom_room"), txn:get_var("txn.waitroom_cookie")
  if room and cookie then
    core.httpclient():delete({ url = url .. "/checkout/session?room=" .. room, headers = { ["cookie"] = { cookie } }, timeout = 5000 })
  end
end, 1)
