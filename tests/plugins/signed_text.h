#pragma once
// What tests sign tokens with: the other side of plugins/authn, through OpenSSL alone.

#include <string>
#include <string_view>

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace plugins_test {

inline std::string base64url(std::string_view text) {
    std::string out(text.size() * 4 / 3 + 4, 0);
    int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                               reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()));
    out.resize(static_cast<size_t>(size));
    while (!out.empty() && out.back() == '=') out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

/// HS256 of RFC 7518 section 3.2.
inline std::string sign_text(std::string_view text, std::string_view secret) {
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), made, &size);
    return {reinterpret_cast<char*>(made), size};
}

}  // namespace plugins_test
