#include "backend/detail/pending.h"

#include <algorithm>

namespace ipseckey::backend {
namespace {

std::size_t replies_to(const pfkey::Message& request) {
  if (request.type == pfkey::Type::acquire && request.error != 0) return 0;
  if (request.type != pfkey::Type::reg || !request.extended_register) return 1;
  const auto& satypes = request.extended_register->satypes;
  const auto count = std::ranges::find(satypes, 0) - satypes.begin();
  return std::max<std::size_t>(1, static_cast<std::size_t>(count));
}

bool ends_dump(const pfkey::Message& m) { return m.seq == 0 || m.error != 0; }

}  // namespace

void Pending::sent(std::size_t index, const pfkey::Message& request) {
  const std::size_t replies = replies_to(request);
  if (replies == 0) return;
  const Id id{request.seq, request.pid};
  waiting_.push_back({id, index, request.type, replies});
  if (request.type == pfkey::Type::dump) dumps_.push_back(id);
}

std::optional<Pending::Id> Pending::id_of(const pfkey::Message& m) const {
  if (m.type != pfkey::Type::dump || m.seq != 0) return Id{m.seq, m.pid};
  for (const Id& id : dumps_)
    if (id.second == m.pid) return id;
  return std::nullopt;
}

std::optional<std::size_t> Pending::match(const pfkey::Message& m) {
  const auto id = id_of(m);
  const auto found = id ? std::ranges::find(waiting_, *id, &Request::id) : waiting_.end();
  if (found == waiting_.end()) return std::nullopt;
  Request& request = *found;
  // An engine answers a type that it does not know with type 0.
  if (m.type != request.type && m.type != pfkey::Type::reserved) return std::nullopt;

  const std::size_t index = request.index;
  const bool dump = request.type == pfkey::Type::dump;
  const bool last = dump ? ends_dump(m) : m.error != 0 || --request.replies == 0;
  if (last && dump) std::erase(dumps_, *id);
  if (last) waiting_.erase(found);
  return index;
}

}  // namespace ipseckey::backend
