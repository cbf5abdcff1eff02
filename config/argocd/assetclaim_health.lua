-- Health of AssetClaims, which say who owns a page and what is left to do after a channel.
local states = {
  Held = "Healthy", Tombstone = "Healthy", AwaitingHolder = "Progressing", CleanupPending = "Progressing", LeftBehind = "Degraded"
}
local health = {status = "Healthy", message = "Held"}
if obj.status == nil or obj.status.state == nil then
  return health
end
health.status = states[obj.status.state] or "Unknown"
health.message = obj.status.state
for _, condition in ipairs(obj.status.conditions or {}) do
  if condition.type == "Ready" and condition.message ~= nil and condition.message ~= "" then
    health.message = obj.status.state .. ": " .. condition.message
  end
end
return health
