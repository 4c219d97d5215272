#include "issuer.h"

#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace authn {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// Also how long a helper thread can be busy with it.
constexpr std::chrono::milliseconds kFetchTimeout{5000};
// More requests than these are answered without waiting.
constexpr size_t kWaitersMost = 256;

uint64_t wall_seconds() {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::invalid_argument("jwt: " + path + " cannot be read");
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Issuer::Issuer(ringtime::Context& context, IssuerConfig config)
    : context_(context), config_(std::move(config)) {
    if (config_.url.compare(0, 8, "https://") == 0) {
        https_ = {config_.url, {}, kFetchTimeout, kKeySetBytesMost};
        if (!config_.authorities_file.empty()) {
            https_.authorities = read_file(config_.authorities_file);
            if (https_.authorities.empty())
                throw std::invalid_argument("jwt: " + config_.authorities_file + " is empty");
        }
        check_https(https_);
    }
    if (config_.file.empty()) return;
    std::optional<KeySet> keys = KeySet::read(read_file(config_.file), KeySource::file);
    if (!keys) throw std::invalid_argument("jwt: " + config_.file + " is no JWKS");
    if (keys->size() == 0)
        throw std::invalid_argument(
            "jwt: " + config_.file + " has no key that can be used" +
            (keys->passed_over().empty() ? "" : ": the key " + keys->passed_over()[0]));
    publish(std::move(*keys));
}

void Issuer::keys(Hold& hold) const {
    if (generation_.load(std::memory_order_acquire) == hold.generation) return;
    std::lock_guard lock(mutex_);
    hold.keys = keys_;
    hold.generation = generation_.load(std::memory_order_relaxed);
}

bool Issuer::has_keys() const {
    std::lock_guard lock(mutex_);
    return keys_ && keys_->size() > 0;
}

Issuer::Counts Issuer::counts() const {
    std::lock_guard lock(mutex_);
    Counts out = counts_;
    out.keys = keys_ ? keys_->size() : 0;
    return out;
}

void Issuer::publish(KeySet keys) {
    for (const std::string& why : keys.passed_over())
        context_.warn(config_.expected.issuer + ": passed over: the key " + why);
    auto shared = std::make_shared<const KeySet>(std::move(keys));
    std::lock_guard lock(mutex_);
    keys_ = std::move(shared);
    generation_.fetch_add(1, std::memory_order_release);
}

void Issuer::tick(ringtime::Core core) {
    if (config_.url.empty()) return;
    {
        std::lock_guard lock(mutex_);
        if (fetching_ || core.now_ns() < due_ns_) return;
        fetching_ = true;
    }
    fetch(core);
}

bool Issuer::fetch_missing(ringtime::Core core) {
    if (config_.url.empty()) return false;
    {
        std::lock_guard lock(mutex_);
        if (waiters_.size() >= kWaitersMost) return false;
        if (fetching_) return true;
        if (core.now_ns() < allowed_ns_) return false;
        fetching_ = true;
    }
    fetch(core);
    return true;
}

void Issuer::wait(ringtime::Token token, uint64_t value) {
    {
        std::lock_guard lock(mutex_);
        if (fetching_) {
            waiters_.push_back({token, value});
            return;
        }
    }
    token.resume(value);
}

void Issuer::fetch(ringtime::Core core) {
    {
        std::lock_guard lock(mutex_);
        ++counts_.fetches;
        now_ns_ = core.now_ns();
    }
    bool taken = https_.url.empty() ? ask_http(core) : ask_https(core);
    if (!taken) finish(std::nullopt, "it cannot be asked");
}

bool Issuer::ask_http(ringtime::Core core) {
    ringtime::Fetch what(config_.url);
    what.lines = {{"accept", "application/json"}};
    what.timeout = kFetchTimeout;
    what.body_bytes_max = kKeySetBytesMost;
    return core.fetch(what, [this, core](const ringtime::FetchAnswer& answer) {
        if (answer) return take(core, answer.status(), std::string(answer.body()));
        finish(std::nullopt, answer.result() == RINGTIME_LIMIT ? "the answer is too large"
                                                               : std::string(answer.reason()));
    });
}

bool Issuer::ask_https(ringtime::Core core) {
    auto ask = [this, core] { return get_https(https_, [core] { return core.ending(); }); };
    return core.run(ask, [this, core](std::optional<HttpsAnswer> answer) {
        if (core.ending()) return;  // The requests are over, those that waited as well.
        if (!answer) return finish(std::nullopt, "asking failed");
        if (!answer->problem.empty()) return finish(std::nullopt, answer->problem);
        take(core, answer->status, std::move(answer->body));
    });
}

void Issuer::take(ringtime::Core core, unsigned status, std::string body) {
    if (status != 200) return finish(std::nullopt, "status " + std::to_string(status));
    read(core, std::move(body));
}

// Checking a set of large keys takes milliseconds, which a core has not.
void Issuer::read(ringtime::Core core, std::string body) {
    bool same = false;
    {
        std::lock_guard lock(mutex_);
        same = keys_ && body == body_;
    }
    if (same) return finish(std::nullopt, {});
    auto work = [body] { return KeySet::read(body, KeySource::url); };
    bool taken = core.run(work, [this, body](std::optional<std::optional<KeySet>> read) {
        bool good = read && *read && (*read)->size() > 0;
        if (!good) return finish(std::nullopt, "it is no JWKS with a key that can be used");
        {
            std::lock_guard lock(mutex_);
            body_ = body;
        }
        finish(std::move(**read), {});
    });
    if (!taken) finish(std::nullopt, "too much other work waits");
}

// Without keys and without a problem: nothing has changed.
void Issuer::finish(std::optional<KeySet> keys, const std::string& problem) {
    if (keys) publish(std::move(*keys));
    std::vector<Waiter> waiters;
    bool had_failed = false;
    {
        std::lock_guard lock(mutex_);
        had_failed = std::exchange(failing_, !problem.empty());
        fetching_ = false;
        waiters.swap(waiters_);
        allowed_ns_ = now_ns_ + config_.refresh_least_s * kSecond;
        due_ns_ = problem.empty() ? now_ns_ + config_.refresh_s * kSecond : allowed_ns_;
        if (problem.empty()) {
            counts_.fetched_wall_s = wall_seconds();
        } else {
            ++counts_.failures;
        }
    }
    if (!problem.empty() && !had_failed)
        context_.warn("no keys from " + config_.url + ": " + problem + "; those there are go on");
    if (problem.empty() && had_failed) context_.info("keys from " + config_.url + " again");
    for (const Waiter& waiter : waiters) waiter.token.resume(waiter.value);
}

}  // namespace authn
