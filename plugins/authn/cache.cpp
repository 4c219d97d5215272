#include "cache.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace authn {

Cache::Cache(size_t entries) : entries_(entries) {
    if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1)
        throw std::runtime_error("no random numbers");
}

Cache::Digest Cache::hash(Kind kind, std::string_view credentials) const {
    std::string text(1, static_cast<char>(kind));
    text += credentials;
    Digest out{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
    OPENSSL_cleanse(text.data(), text.size());
    return out;
}

size_t Cache::place(const Digest& digest) const {
    size_t number = 0;
    std::memcpy(&number, digest.data(), sizeof number);
    return number & (entries_.size() - 1) & ~(kWays - 1);
}

const Cache::Entry* Cache::find(Kind kind, std::string_view credentials, uint64_t generation,
                                uint64_t now_ns) const {
    Digest digest = hash(kind, credentials);
    size_t first = place(digest);
    for (size_t i = first; i < first + kWays; ++i) {
        const Entry& entry = entries_[i];
        if (entry.until_ns > now_ns && entry.generation == generation && entry.digest == digest)
            return &entry;
    }
    return nullptr;
}

const Cache::Entry& Cache::put(Kind kind, std::string_view credentials, uint64_t generation,
                               uint64_t until_ns, const Identity* identity) {
    Digest digest = hash(kind, credentials);
    size_t first = place(digest);
    Entry* chosen = &entries_[first];
    for (size_t i = first; i < first + kWays; ++i) {
        Entry& entry = entries_[i];
        if (entry.digest == digest) {
            chosen = &entry;
            break;
        }
        if (entry.until_ns < chosen->until_ns) chosen = &entry;
    }
    *chosen = Entry{digest, until_ns, generation, identity != nullptr,
                    identity ? *identity : Identity{}};
    return *chosen;
}

}  // namespace authn
