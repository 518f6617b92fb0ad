// What Sadb and Listener add to the backends:
// 1. State owns the backend. Listeners share it, so that none outlives what it listens to.
// 2. prepare() gives each request a seq of its own and this process's pid; backends match replies by them.
// 3. A reply with an errno becomes an Error: outcome_of() has the words that ipseckey prints, code_of() the code.
// 4. When memory runs out in a backend, State::use() abandons the backend without destroying it, because a hash table
//    that could not grow cannot be destroyed either. All later calls fail.
// 5. guarded() turns exceptions into Errors. A callback is guarded separately, so that the backend reads its replies
//    to the end and the connection can be used again.
#include "api/sadb.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "api/guarded.h"
#include "api/open.h"
#include "api/outcome.h"
#include "pfkey/notices.h"

namespace ipseckey {

using api::guarded;
using pfkey::Message;

namespace {

constexpr const char* kOutOfMemory = "out of memory";  // So short that an Error with it needs none.

Errc code_of(std::uint8_t error) {
  switch (error) {
    case EEXIST:
      return Errc::exists;
    case ESRCH:
      return Errc::not_found;
    case EPERM:
    case EACCES:
      return Errc::denied;
    case EINVAL:
      return Errc::invalid;
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
      return Errc::unsupported;
    default:
      return Errc::io;
  }
}

api::Asked asked_by(const Message& m) {
  return {m.satype, m.sa ? m.sa->spi : 0, m.dst ? m.dst->address : Address{}, false};
}

Result<Message> judged(Message&& reply, const api::Asked& asked) {
  if (reply.error == 0) return std::move(reply);
  return fail(code_of(reply.error), api::outcome_of(reply, asked).text);
}

// One request and its result, until all replies have arrived.
struct Pending {
  api::Asked asked;
  std::optional<Result<Message>> result = {};
};

}  // namespace

struct Sadb::State {
  std::unique_ptr<backend::Backend> backend;
  std::string name;
  std::uint32_t seq = 0;

  bool listened_to = false;
  bool busy = false;

  bool given_up() const { return !backend; }

  template <class Work>
  auto use(Work work) -> decltype(work(*backend)) {
    if (given_up()) return fail(Errc::io, kOutOfMemory);
    if (busy)
      return fail(Errc::invalid, "this SADB is in the middle of a dump: its callback cannot send requests to it");
    busy = true;
    try {
      auto result = work(*backend);
      busy = false;
      return result;
    } catch (const std::bad_alloc&) {
      static_cast<void>(backend.release());
      throw;
    }
  }

  void prepare(Message& request) {
    if (++seq == 0) ++seq;  // The end of a DUMP has seq 0.
    request.seq = seq;
    request.pid = static_cast<std::uint32_t>(::getpid());
  }
};

struct Listener::Ear {
  Ear(std::shared_ptr<Sadb::State> of, std::unique_ptr<backend::Listener> with)
      : state(std::move(of)), listener(std::move(with)) {}
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;
  // Ending can need memory, and a destructor cannot fail.
  ~Ear() {
    static_cast<void>(guarded([&] { return state->use([&](backend::Backend&) { return listener->end(); }); }));
    state->listened_to = false;
    if (state->given_up()) static_cast<void>(listener.release());
  }

  std::shared_ptr<Sadb::State> state;
  std::unique_ptr<backend::Listener> listener;  // Ends before the state does.
  std::optional<Error> last_word = {};
};

Result<Secret> secret_of(Bytes material) noexcept {
  return guarded([&]() -> Result<Secret> {
    if (material.size() > Secret::kMaxSize)
      return fail(Errc::invalid,
                  fmt::format("{} bytes of key material: at most {} are possible", material.size(), Secret::kMaxSize));
    return Secret(material);
  });
}

std::optional<std::uint32_t> messages_lost(const Message& m) noexcept { return pfkey::messages_lost(m); }

Listener::Listener(std::unique_ptr<Ear> ear) noexcept : ear_(std::move(ear)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

int Listener::descriptor() const noexcept {
  return ear_->last_word || ear_->state->given_up() ? -1 : ear_->listener->descriptor();
}

Result<std::vector<Message>> Listener::next() noexcept {
  return guarded([&]() -> Result<std::vector<Message>> {
    if (!ear_->last_word && ear_->state->given_up()) ear_->last_word = Error{Errc::io, kOutOfMemory};
    if (ear_->last_word) return std::unexpected(*ear_->last_word);
    std::vector<Message> messages;
    auto heard = ear_->state->use([&](backend::Backend&) {
      return ear_->listener->next([&](Message&& m) { messages.push_back(std::move(m)); });
    });
    if (!heard) ear_->last_word = std::move(heard.error());
    if (!heard && messages.empty()) return std::unexpected(*ear_->last_word);
    return messages;
  });
}

Sadb::Sadb(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
Sadb::Sadb(Sadb&&) noexcept = default;
Sadb& Sadb::operator=(Sadb&&) noexcept = default;
Sadb::~Sadb() = default;

Result<Sadb> Sadb::open(std::string_view where) noexcept {
  return guarded([&]() -> Result<Sadb> {
    auto backend = api::open_sadb(where, api::surroundings());
    if (!backend) return std::unexpected(std::move(backend.error()));
    auto name = (*backend)->name();
    return Sadb(std::make_shared<State>(std::move(*backend), std::move(name)));
  });
}

const std::string& Sadb::name() const noexcept { return state_->name; }

Result<Message> Sadb::ask(Message request) noexcept {
  return guarded([&]() -> Result<Message> {
    std::vector<Message> one;
    one.push_back(std::move(request));
    auto results = ask_all(std::move(one));
    if (!results) return std::unexpected(std::move(results.error()));
    return std::move(results->front());
  });
}

Result<std::vector<Result<Message>>> Sadb::ask_all(std::vector<Message> requests) noexcept {
  return guarded([&]() -> Result<std::vector<Result<Message>>> {
    std::vector<Pending> pending;
    std::vector<Result<Message>> results;
    pending.reserve(requests.size());
    results.reserve(requests.size());
    for (Message& request : requests) {
      if (request.type == pfkey::Type::dump) return fail(Errc::invalid, "a DUMP has many replies: use dump()");
      pending.push_back({asked_by(request)});
      state_->prepare(request);
    }
    Result<void> called;
    for (std::size_t first = 0; first < requests.size();) {
      called = state_->use([&](backend::Backend& backend) {
        return backend.call(std::span(requests).subspan(first), [&](std::size_t i, Message&& reply) {
          Pending& p = pending[first + i];
          p.result = judged(std::move(reply), p.asked);
        });
      });
      if (called || called.error().code != Errc::invalid) break;
      // A request that cannot be written as PF_KEY: all before it are answered, none behind it is sent.
      const auto unanswered = [](const Pending& p) { return !p.result; };
      const auto unsendable = std::ranges::find_if(pending, unanswered);
      if (unsendable == pending.end()) break;
      unsendable->result = std::unexpected(called.error());
      first = static_cast<std::size_t>(unsendable - pending.begin()) + 1;
    }
    for (Pending& p : pending) {
      if (!p.result)
        p.result = std::unexpected(called ? Error{Errc::timeout, "the SADB did not answer"} : called.error());
      results.push_back(std::move(*p.result));
    }
    return results;
  });
}

Result<void> Sadb::dump(pfkey::SaType type, const std::function<void(Message&&)>& sink) noexcept {
  return guarded([&]() -> Result<void> {
    Message request;
    request.type = pfkey::Type::dump;
    request.satype = type;
    state_->prepare(request);
    Result<void> result;
    const auto take = [&](std::size_t, Message&& reply) {
      if (!result) return;
      if (reply.error != 0) {
        result = fail(code_of(reply.error), api::outcome_of(reply, {type, 0, {}, false}).text);
      } else if (reply.sa) {
        result = guarded(
            [&]() -> Result<void> {
              sink(std::move(reply));
              return {};
            },
            "callback threw");
      }
    };
    const auto called = state_->use([&](backend::Backend& backend) { return backend.call({&request, 1}, take); });
    return called ? result : called;
  });
}

Result<Listener> Sadb::listen(bool promiscuous) noexcept {
  return guarded([&]() -> Result<Listener> {
    if (state_->listened_to) return fail(Errc::invalid, "this SADB has a Listener already: one at a time");
    auto listener = state_->use([&](backend::Backend& backend) { return backend.listen(promiscuous); });
    if (!listener) return std::unexpected(std::move(listener.error()));
    auto ear = std::make_unique<Listener::Ear>(state_, std::move(*listener));
    state_->listened_to = true;
    return Listener(std::move(ear));
  });
}

}  // namespace ipseckey
