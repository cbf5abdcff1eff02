-- Health of MetaApps, MetaGrants and FacebookChannels. The operator's conditions follow kstatus: Ready, Reconciling, Stalled.
local health = {status = "Progressing", message = "The operator has not checked this generation yet."}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil and status.observedGeneration < obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready
if ready == nil then
  return health
end
-- Of what is not ready, Ready refers to the condition that failed; the next step says what to do.
local told = ready.message
if ready.status ~= "True" and status.nextStep ~= nil and status.nextStep ~= "" then
  told = status.nextStep
end
health.message = ready.reason
if told ~= nil and told ~= "" then
  health.message = ready.reason .. ": " .. told
end
if ready.reason == "Paused" then
  health.status = "Suspended"
elseif ready.status == "True" then
  health.status = "Healthy"
elseif conditions.Stalled ~= nil and conditions.Stalled.status == "True" then
  health.status = "Degraded"
end
return health
