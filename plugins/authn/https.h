#pragma once
// A GET over TLS, which the gateway's own client does not speak. It blocks for as long as it may
// take, so it belongs on a helper thread. The certificate must be good for the name in the address
// and signed by whom this machine trusts, or by the authorities named instead. Redirects are
// answers like others, proxies of the environment are not used.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace authn {

struct HttpsRequest {
    std::string url;
    std::string authorities;  ///< PEM; empty: those that the system trusts.
    std::chrono::milliseconds timeout{0};  ///< From the name to the last byte.
    size_t body_bytes_max = 0;
};

struct HttpsAnswer {
    std::string problem;  ///< Empty: there is an answer, whatever its status.
    unsigned status = 0;
    std::string body;
};

/// Throws std::invalid_argument for what could never be asked: an address that is none or holds a
/// password, authorities that are no certificates. Once before the first get_https().
void check_https(const HttpsRequest& request);

/// Any thread. Within a second of `give_up` saying so it has ended, without an answer.
[[nodiscard]] HttpsAnswer get_https(const HttpsRequest& request,
                                    const std::function<bool()>& give_up);

}  // namespace authn
