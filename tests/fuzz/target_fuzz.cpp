// Request targets and hosts: the input, cut at its first NUL, is the target and the Host of a
// request.

#include "requests.h"

namespace fuzz {
namespace {

void check_host(std::string_view authority) {
    char storage[512];
    char again_storage[512];
    if (authority.size() > sizeof storage) return;
    Result<HostName> host = canonical_host(authority, storage, sizeof storage);
    Authority parts;
    CHECK(!host.ok() || authority.empty() || parse_authority(authority, parts));
    if (!host.ok() || host->name.empty()) return;
    Result<HostName> again = canonical_host(host->name, again_storage, sizeof again_storage);
    CHECK(again.ok() && again->name == host->name && again->ip_literal == host->ip_literal);
    CHECK(again->port == 0);
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace fuzz;
    std::string_view text = text_of(data, size);
    size_t cut = text.find('\0');
    std::string_view target = text.substr(0, cut);
    std::string_view host = cut == std::string_view::npos ? "h" : text.substr(cut + 1);
    static char request[64 * 1024];
    size_t used = 0;
    auto append = [&](std::string_view part) {
        std::memcpy(request + used, part.data(), part.size());
        used += part.size();
    };
    if (size > 32 * 1024) return 0;
    append(size % 5 == 0 ? "OPTIONS " : "GET ");
    append(target);
    append(" HTTP/1.1\r\nHost: ");
    append(host);
    append("\r\n\r\n");
    Exact exact({request, used});
    check_request(exact.text());
    check_host(host);
    return 0;
}
