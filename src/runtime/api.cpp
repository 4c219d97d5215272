#include "runtime/api.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

namespace ringtime::runtime {
namespace {

using exchange::ApiAdmission;
using exchange::ApiCall;
using exchange::ApiReply;
using exchange::Entrance;
using exchange::Role;
using http::Method;

// Behind every core and worker; what an operator asks can wait.
constexpr int kNice = 10;

constexpr std::string_view kNoKeys =
    "There is no API key yet: only the admin socket is answered (ringtime keys create).";

bool changes_state(Method method) noexcept {
    return method != Method::get && method != Method::head && method != Method::options;
}

}  // namespace

Api::Api(Control& gateway, KeyStore& keys, std::string base)
    : context_{gateway, keys, std::move(base), monotonic_now()} {}

Api::~Api() { stop(); }

void Api::start() {
    running_.store(2);
    lanes_[0].thread = std::thread([this] { run(lanes_[0], "api"); });
    lanes_[1].thread = std::thread([this] { run(lanes_[1], "api slow"); });
}

void Api::begin_stop() {
    std::lock_guard guard(lock_);
    stopping_ = true;
    for (Lane& lane : lanes_) lane.arrived.notify_all();
}

void Api::stop() {
    begin_stop();
    for (Lane& lane : lanes_) {
        if (lane.thread.joinable()) lane.thread.join();
        for (ApiCall* call : lane.waiting) {
            call->reply(error_reply(503, "draining", "The gateway is shutting down.",
                                    call->request().request_id));
        }
        lane.waiting.clear();
    }
}

// On the core, at the head of the request.
ApiAdmission Api::admit(const exchange::ApiQuestion& question) const noexcept {
    ApiAdmission admission;
    if (question.entrance == Entrance::admin_socket) {
        admission.role = Role::admin;
        admission.caller = "admin socket";
    } else {
        std::string_view text = question.api_key;
        if (!text.data()) text = bearer_key(question.authorization);
        auto holder = context_.keys.check(text);
        if (holder) {
            admission.role = holder->role;
            admission.caller = std::move(holder->name);
        } else if (changes_state(question.method) &&
                   !same_origin(question.origin, question.host)) {
            admission.refusal = Reason::csrf;
            return admission;
        }
    }
    if (admission.role == Role::none) {
        bool no_keys = context_.keys.empty();
        admission.refusal = no_keys ? Reason::forbidden : Reason::unauthorized;
        if (no_keys) admission.message = kNoKeys;
        return admission;
    }
    ApiMatch match = find_endpoint(question.method, question.path);
    admission.allowed = match.allowed;
    if (!match.endpoint) {
        admission.refusal = match.allowed != 0 ? Reason::method_not_allowed : Reason::not_found;
        return admission;
    }
    const ApiEndpoint& endpoint = api_endpoints()[*match.endpoint];
    if (admission.role < endpoint.role) admission.refusal = Reason::forbidden;
    admission.endpoint = *match.endpoint;
    admission.body_bytes_max = endpoint.body == ApiBody::archive ? limits::upload_bytes_max
                                                                 : limits::api_body_bytes_max;
    return admission;
}

bool Api::submit(ApiCall& call) noexcept {
    Lane& lane = lanes_[static_cast<size_t>(api_endpoints()[call.request().endpoint].lane)];
    std::lock_guard guard(lock_);
    if (stopping_ || lane.waiting.size() >= limits::api_queue_max) return false;
    lane.waiting.push_back(&call);
    lane.arrived.notify_one();
    return true;
}

void Api::run(Lane& lane, const char* name) {
    ::pthread_setname_np(::pthread_self(), name);
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    std::unique_lock guard(lock_);
    for (;;) {
        lane.arrived.wait(guard, [&] { return stopping_ || !lane.waiting.empty(); });
        if (stopping_) break;
        ApiCall* call = lane.waiting.front();
        lane.waiting.pop_front();
        guard.unlock();
        handle(*call);
        guard.lock();
    }
    running_.fetch_sub(1);
}

void Api::handle(ApiCall& call) {
    exchange::ApiRequest& request = call.request();
    const ApiEndpoint& endpoint = api_endpoints()[request.endpoint];
    ApiArguments arguments;
    std::string problem;
    ApiReply reply;
    try {
        reply = read_arguments(endpoint, request, arguments, problem)
                    ? endpoint.handler(context_, arguments)
                    : error_reply(400, "bad_request", problem, request.request_id);
    } catch (const std::exception& error) {
        reply = error_reply(500, "internal", error.what(), request.request_id);
    }
    if (changes_state(endpoint.method)) {
        log_format(reply.status < 400 ? LogLevel::info : LogLevel::warn, "api",
                   "{} {} by {}: {}", http::method_name(endpoint.method), request.path,
                   request.caller, reply.status);
    }
    call.reply(std::move(reply));
}

}  // namespace ringtime::runtime
