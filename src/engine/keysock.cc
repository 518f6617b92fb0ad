// How the engine's messages find their clients:
// 1. open() gives a client its number; its registrations, its promiscuous mode and its DUMP are stored under it.
// 2. handle() answers X_PROMISC and DUMP here, records registrations, and passes everything else to the engine.
// 3. The engine assigns each message an Audience; hears() decides for one client.
// 4. spread() delivers the message to each of these and to the sender, to nobody twice; the last gets the original.
// 5. A DUMP is a walk of the client's own: next_dumped() delivers one SA at a time, then the end marker.
// 6. Requests that remove many SAs are carried out by remove_some(), for one client after the other.
#include "engine/keysock.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>

#include "engine/reply.h"

namespace ipseckey::engine {
namespace {

using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;

// A client registers for SA types one by one or all at once, not both.
struct Client {
  std::uint32_t plain = 0, extended = 0;  ///< Bits by SA type.
  bool promiscuous = false;
  std::unique_ptr<DumpWalk> walk;
};

std::uint32_t bit(SaType satype) { return 1u << (static_cast<std::uint8_t>(satype) & 31u); }

}  // namespace

struct Keysock::State {
  Engine engine;
  std::map<ClientId, Client> clients;
  ClientId last_id = 0;
  std::deque<ClientId> removers;  // One for each of the engine's removals.

  static bool registered(const Client& client, Audience audience, const Message& m) {
    return (audience == Audience::registered && (client.plain & bit(m.satype)) != 0) ||
           (audience == Audience::extended_registered && client.extended != 0);
  }
  static bool hears(const Client& client, Audience audience, const Message& m) {
    return client.promiscuous || audience == Audience::everyone || registered(client, audience, m);
  }

  // Delivers to everyone in the audience and to the sender, if there is one; to nobody twice.
  void spread(Audience audience, Message&& m, std::optional<ClientId> sender, Deliver deliver) const {
    std::optional<ClientId> found;  // The last one gets the message itself, the others copies.
    for (const auto& [id, client] : clients) {
      if (id != sender && !hears(client, audience, m)) continue;
      if (found) deliver(*found, m.clone());
      found = id;
    }
    if (found) deliver(*found, std::move(m));
  }

  void refuse(ClientId sender, const Message& request, Refusal why, Deliver deliver) {
    spread(Audience::sender, error_reply(request, why), sender, deliver);
  }

  void promisc(ClientId sender, const Message& m, Deliver deliver);
  void dump(ClientId sender, const Message& m, Instant now, Deliver deliver);
  void handle(ClientId sender, Message&& m, Instant now, Deliver deliver);
};

Keysock::Keysock(Options options) : state_(new State{Engine(std::move(options)), {}, 0, {}}) {}
Keysock::~Keysock() = default;

const Engine& Keysock::engine() const { return state_->engine; }
Engine& Keysock::engine() { return state_->engine; }
std::optional<std::chrono::nanoseconds> Keysock::deadline() const { return state_->engine.deadline(); }

ClientId Keysock::open() {
  const ClientId id = ++state_->last_id;
  state_->clients.emplace(id, Client{});
  return id;
}

void Keysock::close(ClientId client) { state_->clients.erase(client); }

void Keysock::State::promisc(ClientId sender, const Message& m, Deliver deliver) {
  Client& client = clients.at(sender);
  client.promiscuous = m.satype != SaType::unspec;
  // Only the header: the rest of a client's message is not for others, and a reader may send this.
  Message reply = m.header();
  reply.error = 0, reply.diagnostic = 0;
  spread(Audience::sender, std::move(reply), sender, deliver);
}

void Keysock::State::dump(ClientId sender, const Message& m, Instant now, Deliver deliver) {
  Client& client = clients.at(sender);
  if (client.walk) return refuse(sender, m, {EBUSY, pfkey::Diagnostic::none}, deliver);
  client.walk = engine.dump(
      m, now, [&](Audience audience, Message&& reply) { spread(audience, std::move(reply), sender, deliver); });
}

void Keysock::State::handle(ClientId sender, Message&& m, Instant now, Deliver deliver) {
  Client& client = clients.at(sender);
  // Only an extended registration lists its SA types.
  if (m.type == Type::acquire && m.error != 0 && m.satype == SaType::unspec && client.extended == 0)
    return refuse(sender, m, invalid(pfkey::Diagnostic::satype_needed), deliver);
  const bool is_register = m.type == Type::reg;
  const bool extended = is_register && m.satype == SaType::unspec;
  if (is_register && (extended ? client.plain : client.extended) != 0)
    return refuse(sender, m, {EBUSY, pfkey::Diagnostic::none}, deliver);
  engine.handle(std::move(m), now, [&](Audience audience, Message&& reply) {
    const bool refused = reply.error != 0;
    if (is_register && !refused) (extended ? client.extended : client.plain) |= bit(reply.satype);
    if (is_register && refused) audience = Audience::sender;
    spread(audience, std::move(reply), sender, deliver);
  });
  if (engine.removals() > removers.size()) removers.push_back(sender);
}

void Keysock::handle(ClientId client, Message&& request, Instant now, Deliver deliver) {
  if (request.type == Type::x_promisc) return state_->promisc(client, request, deliver);
  if (request.type == Type::dump) return state_->dump(client, request, now, deliver);
  state_->handle(client, std::move(request), now, deliver);
}

void Keysock::reject(ClientId client, const pfkey::Malformed& why, Deliver deliver) {
  Message reply = error_reply(why.header, {why.error, why.diagnostic});
  Audience audience = audience_of(reply.type, reply.satype);
  if (audience != Audience::everyone) audience = Audience::sender;
  state_->spread(audience, std::move(reply), client, deliver);
}

bool Keysock::dumping(ClientId client) const {
  const auto found = state_->clients.find(client);
  return found != state_->clients.end() && found->second.walk;
}

void Keysock::next_dumped(ClientId client, Deliver deliver) {
  const auto found = state_->clients.find(client);
  if (found == state_->clients.end() || !found->second.walk) return;
  auto& walk = found->second.walk;
  std::optional<Message> next = state_->engine.next(*walk);
  const bool ended = !next;
  if (ended) next = Engine::dump_end(*walk);
  if (ended) walk.reset();
  state_->spread(Audience::sender, std::move(*next), client, deliver);
}

std::optional<ClientId> Keysock::remover() const {
  return state_->removers.empty() ? std::nullopt : std::optional(state_->removers.front());
}

bool Keysock::removing(ClientId client) const {
  return std::ranges::find(state_->removers, client) != state_->removers.end();
}

void Keysock::remove_some(std::size_t most, Deliver deliver) {
  const auto sender = remover();
  if (!sender) return;
  state_->engine.remove_some(
      most, [&](Audience audience, Message&& m) { state_->spread(audience, std::move(m), sender, deliver); });
  if (state_->engine.removals() < state_->removers.size()) state_->removers.pop_front();
}

bool Keysock::acquire(const Wanted& wanted, Instant now, Deliver deliver) {
  bool heard = false;
  const auto seq = state_->engine.acquire(wanted, now, [&](Audience audience, Message&& m) {
    for (const auto& [id, client] : state_->clients) heard |= State::registered(client, audience, m);
    state_->spread(audience, std::move(m), std::nullopt, deliver);
  });
  if (seq && !heard) state_->engine.unheard(*seq);
  return seq && heard;
}

void Keysock::expire(Instant now, Deliver deliver, std::size_t most) {
  const auto spread = [&](Audience audience, Message&& m) {
    state_->spread(audience, std::move(m), std::nullopt, deliver);
  };
  state_->engine.expire(now, spread, most);
}

void Keysock::attend(Instant now, Deliver deliver) {
  state_->engine.attend(
      now, [&](Audience audience, Message&& m) { state_->spread(audience, std::move(m), std::nullopt, deliver); });
}

}  // namespace ipseckey::engine
