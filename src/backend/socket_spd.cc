// A client of ipsecd's PF_POLICY: exchange() writes what the socket takes and reads what is there, each time round, so
// that neither side can block the other. Once ipsecd has shown that it takes them, a packet has many requests. Replies
// come in the order of the requests; the seq of each is checked all the same.
#include "backend/socket_spd.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "backend/detail/answers.h"
#include "pfkey/codec.h"
#include "pfkey/notices.h"
#include "pfkey/packs.h"
#include "pfkey/units.h"
#include "pfpolicy/codec.h"
#include "system/errno_text.h"

namespace ipseckey::backend {
namespace {

namespace packs = pfkey::packs;
using Clock = std::chrono::steady_clock;
using pfpolicy::Message;
using Octets = std::vector<std::byte>;

class Exchange {
 public:
  using Reply = absl::FunctionRef<void(std::size_t, Message&&)>;

  Exchange(const Channel& channel, std::span<const Message> requests, Reply reply, std::chrono::milliseconds patience)
      : channel_(channel),
        requests_(requests),
        reply_(reply),
        patience_(patience),
        out_(packs::kFull + pfpolicy::kMaxMessageSize),
        in_(pfpolicy::kMaxMessageSize + 8) {}

  Result<void> run() {
    auto deadline = Clock::now() + patience_;
    while (answered_ < requests_.size()) {
      const auto before = std::pair(sent_, replies_);
      if (auto r = write(); !r) return r;
      if (auto r = read(); !r) return r;
      const auto now = Clock::now();
      if (before != std::pair(sent_, replies_)) {
        deadline = now + patience_;
      } else if (now >= deadline) {
        return silent(channel_.path(), patience_);
      } else {
        pollfd waiting{channel_.fd(), static_cast<short>(POLLIN | (sent_ < requests_.size() ? POLLOUT : 0)), 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
        ::poll(&waiting, 1, static_cast<int>(left));
      }
    }
    return {};
  }

 private:
  std::string shown() const { return pfkey::escaped(channel_.path()); }

  Result<void> write() {
    while (sent_ < requests_.size()) {
      if (auto r = filled_ == 0 ? fill() : Result<void>(); !r) return r;
      ssize_t n = 0;
      do n = ::send(channel_.fd(), out_.data(), filled_, MSG_DONTWAIT | MSG_NOSIGNAL);
      while (n < 0 && errno == EINTR);
      // What the other side had answered before it went is still to be read.
      if (n < 0 && (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET)) return {};
      if (n < 0) return fail(Errc::io, fmt::format("cannot write to {}: {}", shown(), errno_text(errno)));
      sent_ += std::exchange(waiting_, 0);
      filled_ = 0;
    }
    return {};
  }

  // The next packet.
  Result<void> fill() {
    do {
      Message m = requests_[sent_ + waiting_];
      m.seq = static_cast<std::uint32_t>(sent_ + waiting_ + 1);
      m.pid = static_cast<std::uint32_t>(::getpid());
      const MutableBytes room = MutableBytes(out_).subspan(filled_);
      const auto size = pfpolicy::encode(m, room);
      if (!size) return std::unexpected(size.error());
      if (waiting_ > 0 && filled_ + *size > packs::kMost) return {};
      packs::set_mark(room, packs::kClient);
      filled_ += *size, ++waiting_;
    } while (packs_ && filled_ < packs::kFull && sent_ + waiting_ < requests_.size());
    return {};
  }

  Result<void> read() {
    while (answered_ < requests_.size()) {
      ssize_t got = 0;
      do got = ::recv(channel_.fd(), in_.data(), in_.size(), MSG_DONTWAIT);
      while (got < 0 && (errno == EINTR || errno == ECONNRESET));
      if (got < 0 && errno == EAGAIN) return {};
      if (got < 0) return fail(Errc::io, fmt::format("cannot read from {}: {}", shown(), errno_text(errno)));
      if (got == 0)
        return fail(Errc::unreachable, fmt::format("ipsecd at {} closed the connection before it had answered "
                                                   "everything: {}",
                                                   shown(), how_to_start(channel_.path())));
      Bytes rest = Bytes(in_).first(static_cast<std::size_t>(got));
      while (!rest.empty() && answered_ < requests_.size()) {
        const Bytes wire = rest.first(packs::first_size(rest));
        if (auto r = take(wire); !r) return r;
        rest = rest.subspan(wire.size());
      }
    }
    return {};
  }

  // PF_KEY: notices of changes that reach this client before its first request; a refusal to serve it; and the answer
  // of an ipsecd that does not know PF_POLICY.
  Result<void> take_pfkey(Bytes wire) const {
    const auto m = pfkey::decode(wire);
    if (!m) return strange();
    if (const auto error = pfkey::refusal(*m)) return refused_by(channel_.path(), *error);
    if (m->error == 0 || m->pid != static_cast<std::uint32_t>(::getpid())) return {};
    return fail(Errc::unsupported,
                fmt::format("the ipsecd at {} is too old for rules: restart it after its upgrade", shown()));
  }

  Result<void> strange() const {
    return fail(Errc::malformed,
                fmt::format("the program that answers at {} does not speak ipsecd's PF_POLICY", shown()));
  }

  Result<void> take(Bytes wire) {
    if (wire[0] != std::byte{pfpolicy::kVersion}) return take_pfkey(wire);
    auto m = pfpolicy::decode(wire);
    if (!m || m->seq != answered_ + 1 || answered_ >= sent_) return strange();
    if (m->diagnostic == pfpolicy::Diagnostic{packs::kServer}) packs_ = true, m->diagnostic = {};
    ++replies_;
    const bool dump = m->type == pfpolicy::Type::dump && m->error == 0;
    const bool ends = !dump || (m->ruleset && dump_begun_);
    dump_begun_ = !ends;
    const std::size_t number = answered_;
    if (ends) ++answered_;
    reply_(number, std::move(*m));
    return {};
  }

  const Channel& channel_;
  std::span<const Message> requests_;
  Reply reply_;
  std::chrono::milliseconds patience_;
  Octets out_, in_;
  std::size_t filled_ = 0, waiting_ = 0;  // Bytes and requests of the packet that leaves next.
  bool packs_ = false;                    // ipsecd takes packets of several messages.
  std::size_t sent_ = 0, answered_ = 0, replies_ = 0;
  bool dump_begun_ = false;
};

/// Notices about rules; others are not for it.
class Ear : public RuleListener {
 public:
  explicit Ear(Channel channel) : channel_(std::move(channel)), in_(pfpolicy::kMaxMessageSize + 8) {}

  int descriptor() const override { return channel_.fd(); }
  Result<bool> changed() override {
    bool news = false;
    for (;;) {
      ssize_t got = 0;
      do got = ::recv(channel_.fd(), in_.data(), in_.size(), MSG_DONTWAIT);
      while (got < 0 && errno == EINTR);
      if (got < 0 && errno == EAGAIN) return news;
      if (got <= 0)
        return fail(Errc::unreachable, fmt::format("ipsecd at {} has ended: {}", pfkey::escaped(channel_.path()),
                                                   how_to_start(channel_.path())));
      news = news || in_[0] == std::byte{pfpolicy::kVersion};
    }
  }

 private:
  Channel channel_;
  Octets in_;
};

}  // namespace

Result<std::unique_ptr<SocketSpd>> SocketSpd::connect(std::string path, std::chrono::milliseconds patience) {
  auto channel = Channel::connect(std::move(path), patience);
  if (!channel) return std::unexpected(std::move(channel.error()));
  return std::unique_ptr<SocketSpd>(new SocketSpd(std::move(*channel), patience));
}

SocketSpd::SocketSpd(Channel channel, std::chrono::milliseconds patience)
    : path_(channel.path()), patience_(patience), channel_(std::move(channel)) {}

Result<void> SocketSpd::exchange(std::span<const Message> requests, Reply reply) {
  if (requests.empty()) return {};
  if (!channel_) {
    auto channel = Channel::connect(path_, patience_);
    if (!channel) return std::unexpected(std::move(channel.error()));
    channel_ = std::move(*channel);
  }
  auto done = Exchange(*channel_, requests, reply, patience_).run();
  if (!done) channel_.reset();  // Answers may be on their way still.
  return done;
}

// On a connection of its own, which begins with the answer to WATCH: what happens afterwards is news.
Result<std::unique_ptr<RuleListener>> SocketSpd::listen() {
  auto channel = Channel::connect(path_, patience_);
  if (!channel) return std::unexpected(std::move(channel.error()));
  Message watch;
  watch.type = pfpolicy::Type::watch;
  std::optional<std::uint8_t> error;
  const auto take = [&](std::size_t, Message&& m) { error = m.error; };
  if (auto done = Exchange(*channel, {&watch, 1}, take, patience_).run(); !done)
    return std::unexpected(std::move(done.error()));
  if (error == EINVAL)
    return fail(Errc::unsupported,
                fmt::format("the ipsecd at {} is too old for news of its rules: restart it after its "
                            "upgrade",
                            pfkey::escaped(path_)));
  if (error != 0) return refused_by(path_, error.value_or(EIO));
  return std::make_unique<Ear>(std::move(*channel));
}

bool SocketSpd::wait(unsigned tries) {
  constexpr std::chrono::milliseconds kStep{50};
  if (kStep * tries >= patience_) return false;
  pollfd until{channel_ ? channel_->fd() : -1, POLLIN, 0};  // It has nothing to say, unless it ends.
  ::poll(&until, 1, static_cast<int>(kStep.count()));
  return true;
}

}  // namespace ipseckey::backend
