#pragma once
/// The Unix stream socket on which ipsecd reports its status: one request line, one answer, then it closes.
#include <systemd/sd-event.h>

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/result.h"
#include "ipsecd/clients/listener.h"
#include "ipsecd/status.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

class StatusSocket {
 public:
  static constexpr std::size_t kClients = 32;  ///< At the same time; further clients replace the oldest.

  using Ask = std::function<Status()>;

  /// Serves `path` in the loop, for clients that the policy lets read. The socket is created like that of
  /// Listener::at(), with the same errors.
  static Result<std::unique_ptr<StatusSocket>> make(const std::string& path, sd_event* loop, Ask ask,
                                                    const Policy& policy = {});
  ~StatusSocket();

 private:
  struct Client {
    StatusSocket* owner = nullptr;
    Descriptor fd;
    sd_event_source* source = nullptr;
    std::string asked;
    ~Client() { sd_event_source_disable_unref(source); }
  };

  StatusSocket(Listener listener, sd_event* loop, Ask ask, const Policy& policy);
  void admit();
  /// False: the client is done.
  bool serve(Client& client);

  Listener listener_;
  sd_event* loop_;
  Ask ask_;
  Policy policy_;
  sd_event_source* source_ = nullptr;
  std::list<Client> clients_;
};

}  // namespace ipseckey::ipsecd
