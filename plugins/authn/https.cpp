#include "https.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <memory>
#include <stdexcept>

namespace authn {
namespace {

struct Free {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509* certificate) const { X509_free(certificate); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

/// The body as far as it may go.
struct Gathered {
    std::string bytes;
    size_t bytes_max;
    bool too_large = false;
};

size_t gather(char* bytes, size_t, size_t count, void* user) {
    auto& gathered = *static_cast<Gathered*>(user);
    gathered.too_large = count > gathered.bytes_max - gathered.bytes.size();
    if (gathered.too_large) return CURL_WRITEFUNC_ERROR;
    gathered.bytes.append(bytes, count);
    return count;
}

// Called with every turn of the transfer, and each second while nothing moves.
int ask_whether_to_end(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return (*static_cast<const std::function<bool()>*>(user))() ? 1 : 0;
}

// A thread of the library that still resolves a name when its request has timed out goes on in it,
// and so do the libraries behind it: they stay in memory when the plugin is replaced.
void prepare_library() {
    static const bool ready = [] {
        return ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) &&
               curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    }();
    if (!ready) throw std::invalid_argument("libcurl cannot be used");
}

void check_address(const std::string& url) {
    Owned<CURLU> parts(curl_url());
    if (!parts || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
        throw std::invalid_argument("jwt: " + url + " is no address");
    char* user = nullptr;
    bool has_user = curl_url_get(parts.get(), CURLUPART_USER, &user, 0) == CURLUE_OK;
    curl_free(user);
    // It would stand in every line of the log that names the address.
    if (has_user) throw std::invalid_argument("jwt: an address of keys holds no name or password");
}

void check_authorities(const std::string& pem) {
    Owned<BIO> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    size_t count = 0;
    ERR_clear_error();
    while (text && Owned<X509>(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr))) ++count;
    // The end of the text is the one error that may end the list.
    bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (count == 0 || !whole)
        throw std::invalid_argument("jwt: `ca` holds no certificates in PEM, or a broken one");
}

bool configure(CURL* handle, const HttpsRequest& request) {
    bool good = true;
    auto set = [&](CURLoption option, auto value) {
        good = good && curl_easy_setopt(handle, option, value) == CURLE_OK;
    };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_USERAGENT, "ringtime");
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    // No signals in a process of many threads, and no waiting for a resolver that hangs.
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);
    if (request.authorities.empty()) return good;
    curl_blob authorities{const_cast<char*>(request.authorities.data()),
                          request.authorities.size(), CURL_BLOB_NOCOPY};
    set(CURLOPT_CAINFO_BLOB, &authorities);
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // And nobody beside them.
    return good;
}

}  // namespace

void check_https(const HttpsRequest& request) {
    prepare_library();
    check_address(request.url);
    if (!request.authorities.empty()) check_authorities(request.authorities);
}

HttpsAnswer get_https(const HttpsRequest& request, const std::function<bool()>& give_up) {
    Owned<CURL> handle(curl_easy_init());
    Owned<curl_slist> lines(curl_slist_append(nullptr, "accept: application/json"));
    Gathered gathered{{}, request.body_bytes_max};
    char problem[CURL_ERROR_SIZE] = {};
    bool good = handle && lines && configure(handle.get(), request) &&
                curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, lines.get()) == CURLE_OK &&
                curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, problem) == CURLE_OK &&
                curl_easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
                curl_easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, &ask_whether_to_end) ==
                    CURLE_OK &&
                curl_easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &give_up) == CURLE_OK &&
                curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &gather) == CURLE_OK &&
                curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &gathered) == CURLE_OK;
    if (!good) return {"libcurl cannot be used", 0, {}};
    CURLcode result = curl_easy_perform(handle.get());
    if (gathered.too_large) return {"the answer is too large", 0, {}};
    if (result != CURLE_OK) return {problem[0] ? problem : curl_easy_strerror(result), 0, {}};
    long status = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    return {{}, static_cast<unsigned>(status), std::move(gathered.bytes)};
}

}  // namespace authn
