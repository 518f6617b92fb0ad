// A client of ipsecd:
// 1. start() creates an Exchange of its requests, which writes what the socket takes; finish() runs it. Each time
//    round it writes what the socket takes and reads what is there, so that neither side can block the other. call()
//    does both.
// 2. Pending joins a message to its request by seq and pid. Other messages are news, for the listener.
// 3. After a failure answers may be on their way: the connection is closed; the next call opens a new one.
// 4. An Ear listens on the same connection: next() gives the news that calls met, then what the socket has.
#include "backend/socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "backend/detail/answers.h"
#include "backend/detail/news.h"
#include "backend/detail/pending.h"
#include "base/registers.h"
#include "pfkey/names.h"
#include "pfkey/units.h"
#include "system/errno_text.h"

namespace ipseckey::backend {
namespace {

using Clock = std::chrono::steady_clock;
using pfkey::Message;

// Waits for the socket or for stop_fd (-1: none); false when the deadline passed first.
bool wait(int fd, short events, int stop_fd, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting[] = {{fd, events, 0}, {stop_fd, POLLIN, 0}};
    wipe_registers();
    const int ready = ::poll(waiting, 2, static_cast<int>(std::clamp<decltype(left)>(left, 0, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (Clock::now() >= deadline) return false;
  }
}

bool readable(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return fd >= 0 && ::poll(&waiting, 1, 0) > 0;
}

}  // namespace

// One call: everything until each request has its replies. Messages that answer nothing are news.
class Socket::Exchange {
 public:
  using News = std::function<void(Message&&)>;

  Exchange(Channel& channel, std::span<Message> requests, const Backend::Reply& reply, News news,
           std::chrono::milliseconds patience, int stop_fd)
      : channel_(channel),
        requests_(requests),
        reply_(reply),
        news_(std::move(news)),
        patience_(patience),
        stop_fd_(stop_fd) {}

  Result<void> begin() { return write(); }

  Result<void> run() {
    auto deadline = Clock::now() + patience_;
    while (!complete()) {
      // Both directions are served each time round: a daemon that waits for us to read is read from.
      progress_ = false;
      if (auto r = write(); !r) return r;
      if (auto r = read(); !r) return r;
      if (gone_) return lost();
      if (readable(stop_fd_)) {
        if (pending_.dumping()) return stopped();
        stop_fd_ = -1;
        patience_ = std::min<std::chrono::milliseconds>(patience_, kPatienceAfterStop);
        deadline = std::min(deadline, Clock::now() + patience_);
      }
      if (progress_) {
        deadline = Clock::now() + patience_;
      } else if (Clock::now() >= deadline ||
                 (!channel_.has_received() && !wait(channel_.fd(), events(), stop_fd_, deadline))) {
        return timed_out();
      }
    }
    if (unsendable_) return std::unexpected(*unsendable_);
    return {};
  }

 private:
  static constexpr int kReadAtOnce = 256;
  static constexpr std::chrono::seconds kPatienceAfterStop{1};

  bool complete() const { return all_sent() && pending_.empty(); }
  bool all_sent() const { return next_ >= requests_.size() && channel_.flushed(); }
  short events() const { return static_cast<short>(POLLIN | (all_sent() ? 0 : POLLOUT)); }

  Result<void> write() {
    while (next_ < requests_.size() && !gone_) {
      Message& request = requests_[next_];
      const auto sent = channel_.send(request);
      if (!sent && sent.error().code != Errc::invalid) return std::unexpected(sent.error());
      if (!sent) {
        // What was sent before still gets its answers.
        unsendable_ = sent.error();
        requests_ = requests_.first(next_);
        break;
      }
      if (*sent == Outcome::again) return {};
      gone_ = *sent == Outcome::gone;
      if (gone_) return {};
      pending_.sent(next_, request);
      request = request.header();  // The keys are not needed any more.
      ++next_;
      progress_ = true;
    }
    const auto flushed = channel_.flush();
    if (!flushed) return std::unexpected(flushed.error());
    gone_ = *flushed == Outcome::gone;
    return {};
  }

  Result<void> read() {
    // At most that many, so that messages of others do not keep us from writing; and none beyond the last reply: the
    // next is a listener's.
    Message m;
    for (int i = 0; i < kReadAtOnce && !complete(); ++i) {
      const auto got = channel_.receive(m);
      if (!got) return std::unexpected(got.error());
      if (*got == Outcome::again) return {};
      if (*got == Outcome::gone) {
        gone_ = true;
        return {};
      }
      const auto index = pending_.match(m);
      if (!index) {
        news_(std::move(m));
        continue;
      }
      progress_ = true;
      ++replies_;
      reply_(*index, std::move(m));
    }
    return {};
  }

  Result<void> lost() const {
    if (complete()) return {};
    const char* when = replies_ == 0 ? "before it answered" : "before it had answered everything";
    return fail(Errc::unreachable, fmt::format("ipsecd at {} closed the connection {}: {}",
                                               pfkey::escaped(channel_.path()), when, how_to_start(channel_.path())));
  }
  Result<void> stopped() const {
    return fail(Errc::timeout, fmt::format("interrupted before ipsecd at {} had answered everything",
                                           pfkey::escaped(channel_.path())));
  }
  Result<void> timed_out() const { return silent(channel_.path(), patience_); }

  Channel& channel_;
  std::span<Message> requests_;
  const Backend::Reply& reply_;
  News news_;
  std::chrono::milliseconds patience_;
  int stop_fd_;
  std::size_t next_ = 0;  // The first request that is not sent.
  Pending pending_;
  std::size_t replies_ = 0;
  bool progress_ = false;
  bool gone_ = false;
  std::optional<Error> unsendable_;
};

// Listens on the connection that calls use, too: what reached it during one of them waits here.
class Socket::Ear : public Listener {
 public:
  Ear(Socket& socket, bool promiscuous) : socket_(socket), promiscuous_(promiscuous) { socket_.ear_ = this; }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;
  ~Ear() override {
    [[maybe_unused]] const auto failure = end();  // There is nobody left to report it to.
  }

  int descriptor() const override {
    return socket_.ear_ == this && !lost_ && socket_.channel_ ? socket_.channel_->fd() : -1;
  }

  Result<void> next(const Sink& sink) override {
    if (socket_.ear_ != this) return {};
    Message m;
    // The rest of a packet does not show as readable.
    for (int i = 0; i < kReadAtOnce || (socket_.channel_ && socket_.channel_->has_received()); ++i) {
      news_.give(sink);
      if (lost_) return std::unexpected(*lost_);
      const auto got = socket_.channel_->receive(m);
      if (!got) return socket_.give_up(got.error());
      if (*got == Outcome::again) return {};
      if (*got == Outcome::gone)
        return socket_.give_up(
            {Errc::unreachable,
             fmt::format("ipsecd at {} has exited: {}", pfkey::escaped(socket_.path_), how_to_start(socket_.path_))});
      sink(std::move(m));
    }
    news_.give(sink);
    return {};
  }

  Result<void> end() override {
    if (socket_.ear_ != this) return {};
    socket_.ear_ = nullptr;
    news_.forget();
    if (!promiscuous_ || lost_) return {};
    const auto off = socket_.set_promiscuous(false);
    return off ? Result<void>() : std::unexpected(off.error());
  }

  void hear(Message&& m) { news_.hear(std::move(m)); }
  // The connection is closed; the next one would not be this listener's.
  void lose(const Error& why) { lost_ = why; }

 private:
  static constexpr int kReadAtOnce = 256;

  Socket& socket_;
  bool promiscuous_;
  News news_;
  std::optional<Error> lost_;
};

Result<std::unique_ptr<Socket>> Socket::connect(std::string path, std::chrono::milliseconds patience, int stop_fd) {
  auto channel = Channel::connect(std::move(path), patience);
  if (!channel) return std::unexpected(channel.error());
  return std::unique_ptr<Socket>(new Socket(std::move(*channel), patience, stop_fd));
}

Socket::Socket(Channel channel, std::chrono::milliseconds patience, int stop_fd)
    : path_(channel.path()), patience_(patience), stop_fd_(stop_fd), channel_(std::move(channel)) {}

Result<void> Socket::reconnect() {
  if (channel_) return {};
  auto channel = Channel::connect(path_, patience_);
  if (!channel) return std::unexpected(channel.error());
  channel_ = std::move(*channel);
  return {};
}

std::unexpected<Error> Socket::give_up(Error error) {
  started_.reset();
  channel_.reset();
  if (ear_) ear_->lose(error);
  return std::unexpected(std::move(error));
}

Socket::~Socket() = default;

Result<void> Socket::call(std::span<Message> requests, const Reply& reply) {
  auto started = start(requests, reply);
  return started ? finish() : started;
}

Result<void> Socket::start(std::span<Message> requests, const Reply& reply) { return begin(requests, reply, stop_fd_); }

Result<void> Socket::begin(std::span<Message> requests, const Reply& reply, int stop_fd) {
  if (auto r = reconnect(); !r) return r;
  auto news = [this](Message&& m) {
    if (ear_) ear_->hear(std::move(m));
  };
  started_ = std::make_unique<Exchange>(*channel_, requests, reply, std::move(news), patience_, stop_fd);
  auto begun = started_->begin();
  return begun ? Result<void>() : give_up(std::move(begun.error()));
}

Result<void> Socket::finish() {
  if (!started_) return {};
  auto done = started_->run();
  started_.reset();
  // After `invalid` every request that went out is answered; after anything else answers may still be on their way.
  if (!done && done.error().code != Errc::invalid) return give_up(std::move(done.error()));
  return done;
}

Result<Message> Socket::set_promiscuous(bool on) {
  Message request;
  request.type = pfkey::Type::x_promisc;
  // Any value but 0 means on.
  request.satype = on ? pfkey::SaType{1} : pfkey::SaType::unspec;
  request.seq = std::numeric_limits<std::uint32_t>::max() - promisc_seq_++;
  request.pid = static_cast<std::uint32_t>(::getpid());
  // A signal that ends a monitor must not end this.
  Message answer;
  const Reply take = [&](std::size_t, Message&& m) { answer = std::move(m); };
  auto done = begin(std::span(&request, 1), take, -1);
  if (done) done = finish();
  if (!done) return std::unexpected(done.error());
  if (answer.error == 0) return answer;
  std::string refused = pfkey::refusal_text(answer);
  if (answer.remark) refused += "; " + pfkey::escaped(answer.remark->text);
  return fail(Errc::invalid, fmt::format("the SADB refuses: {}", refused));
}

Result<std::unique_ptr<Listener>> Socket::listen(bool promiscuous) {
  auto reply = set_promiscuous(promiscuous);
  if (!reply) return std::unexpected(reply.error());
  auto ear = std::make_unique<Ear>(*this, promiscuous);
  ear->hear(std::move(*reply));
  return ear;
}

}  // namespace ipseckey::backend
