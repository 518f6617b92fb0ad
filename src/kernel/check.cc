#include "kernel/check.h"

#include <linux/xfrm.h>

#include <utility>

#include "kernel/detail/xfrm_add.h"
#include "kernel/detail/xfrm_parts.h"

namespace ipseckey::kernel {

using pfkey::Message;
using pfkey::Type;
using xfrm::Refusal;

std::unique_ptr<backend::Backend> open_check(engine::Options options, std::function<Instant()> clock, XfrmWorld world) {
  options.names_by_mark = options.as_linux = true;
  options.label_policy = world.labels;
  return std::make_unique<KernelCheck>(std::make_unique<backend::Memory>(std::move(options), std::move(clock)),
                                       std::move(world));
}

Result<void> KernelCheck::call(std::span<Message> requests, const Reply& reply) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    std::string remark;
    if (const auto wrong = judge(requests[i], remark)) {
      reply(i, xfrm::refused(requests[i], *wrong));
      continue;
    }
    const auto called = engine_->call(requests.subspan(i, 1), [&](std::size_t, Message&& m) {
      if (m.error == 0 && !remark.empty()) m.remark = pfkey::Remark{remark};
      reply(i, std::move(m));
    });
    if (!called) return called;
  }
  return {};
}

std::optional<Refusal> KernelCheck::judge(Message& m, std::string& remark) {
  switch (m.type) {
    case Type::add:
      return judge_add(m, remark);
    case Type::update:
    case Type::x_updatepair:
      return judge_update(m, remark);
    default:
      return std::nullopt;
  }
}

std::optional<Refusal> KernelCheck::judge_add(Message& m, std::string& remark) {
  NetlinkBatch unused;
  if (auto wrong = xfrm::put_add(m, XFRM_MSG_NEWSA, world_, remark, unused)) return wrong;
  const auto lack = world_.lacks ? world_.lacks(m) : std::nullopt;
  if (!lack) return std::nullopt;
  return xfrm::meaning(m, lack->error, lack->text, lack->type);
}

// Nothing is known about an SA that is not in the file.
std::optional<Refusal> KernelCheck::judge_update(const Message& m, std::string& remark) {
  if (auto wrong = xfrm::wrong_name(m)) return wrong;
  Message get = m.header();
  get.type = Type::get;
  get.sa = pfkey::Sa{.spi = m.sa->spi};
  get.dst = m.dst, get.mark = m.mark;
  std::optional<Message> sa;
  const auto asked = engine_->call({&get, 1}, [&](std::size_t, Message&& answer) {
    if (answer.error == 0 && answer.sa) sa = std::move(answer);
  });
  if (!asked || !sa || sa->sa->state == pfkey::State::larval || m.auth_key || m.encrypt_key) return std::nullopt;
  if (m.idle) xfrm::append(remark, xfrm::kIdleNotEnforced);
  if ((sa->sa->flags & xfrm::kWays) == 0) sa->sa->flags |= xfrm::way_by_addresses(*sa, world_);
  return xfrm::unchangeable(m, *sa);
}

}  // namespace ipseckey::kernel
