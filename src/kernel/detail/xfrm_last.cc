#include "kernel/detail/xfrm_last.h"

#include <algorithm>
#include <ranges>

#include "kernel/detail/xfrm_parts.h"

namespace ipseckey::kernel {

using pfkey::Message;

LastNumbers::LastNumbers(const XfrmWorld& world) {
  if (auto socket = world.connect(true)) socket_ = std::move(*socket);
}

void LastNumbers::take(const xfrm::DecodeContext& context) {
  if (!socket_) return;
  const auto all = socket_->hear_all([&](const NetlinkMessage& n) {
    auto m = xfrm::event_of(n, context);
    if (m && m->type == pfkey::Type::del && m->sa && m->dst) gone_.push_back(std::move(*m));
  });
  if (!all) socket_.reset();
}

void LastNumbers::put(Message& request, std::string& remark) const {
  request.replay_value.reset();
  // The last one: another SA may have replaced it for a moment.
  const auto newest = std::views::reverse(gone_);
  const auto sa = std::ranges::find_if(newest, [&](const Message& m) {
    const bool named =
        m.satype == request.satype && m.sa->spi == request.sa->spi && m.dst->address == request.dst->address;
    return named && m.current && xfrm::means(request, m);
  });
  if (sa == newest.end()) return xfrm::append(remark, "the kernel did not report the SA's last sequence number");
  request.replay_value = sa->replay_value.value_or(pfkey::ReplayValue{});
}

}  // namespace ipseckey::kernel
