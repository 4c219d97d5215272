#pragma once
// What a service manager and the gateway say to each other, in systemd's words: sockets it opened
// beforehand (sd_listen_fds(3)), and how far the gateway is (sd_notify(3)). Without a manager
// nothing happens.

#include <string>
#include <string_view>
#include <vector>

#include "config/environment.h"
#include "runtime/listen.h"

namespace ringtime::runtime {

class ServiceManager {
  public:
    explicit ServiceManager(const config::Environment& environment);

    /// Sockets meant for this process, each once; they take the place of the addresses in `listen`,
    /// which still say what connections there begin with. False when one cannot be used, with
    /// `problem` for the operator.
    [[nodiscard]] bool take_sockets(const std::vector<config::ListenAddress>& listen,
                                    std::vector<ListenSocket>& out, std::string& problem);

    // Any thread. What the manager does not take is lost: it has timeouts of its own.
    void ready() const noexcept { tell("READY=1"); }
    void reloading() const noexcept;
    void stopping() const noexcept { tell("STOPPING=1"); }

  private:
    void tell(std::string_view state) const noexcept;

    std::string notify_path_;  ///< A leading `@` is an abstract name.
    unsigned sockets_ = 0;
};

}  // namespace ringtime::runtime
