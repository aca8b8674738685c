import { listAgents, getAgent, updateAgent, deleteAgent, type Agent } from 'streaming-llm-client'

// 1. Create or edit (the backend upserts on PUT)
const upserted: Agent = await updateAgent({
  id: 'reviewer',
  name: 'Reviewer',
  system_prompt: 'You are Reviewer, a precise PR reviewer.',
  markdown_context: '- Keep responses focused on regressions.\n'
})
