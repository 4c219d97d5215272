#pragma once
// How plugin.hpp turns a class into the table of plugin.h: finds out which hooks it defines, and
// wraps each in a function that lets nothing be thrown across the boundary. For plugin.hpp only.

#include <cstring>

#include <ringtime/plugin.hpp>

namespace ringtime {
namespace detail {

#define RINGTIME_DETECT(member)                                     \
    template <typename T, typename = void>                          \
    struct has_##member : std::false_type {};                       \
    template <typename T>                                           \
    struct has_##member<T, std::void_t<decltype(&T::member)>> : std::true_type {}
RINGTIME_DETECT(on_init);
RINGTIME_DETECT(on_core_start);
RINGTIME_DETECT(on_core_stop);
RINGTIME_DETECT(on_server_start);
RINGTIME_DETECT(on_request);
RINGTIME_DETECT(on_resume);
RINGTIME_DETECT(on_resume_late);
RINGTIME_DETECT(on_request_body);
RINGTIME_DETECT(on_response);
RINGTIME_DETECT(on_response_body);
RINGTIME_DETECT(on_done);
RINGTIME_DETECT(on_worker_spawn);
RINGTIME_DETECT(on_worker_terminate);
RINGTIME_DETECT(on_shutdown);
RINGTIME_DETECT(on_config);
RINGTIME_DETECT(run_on_public);
RINGTIME_DETECT(request_body);
RINGTIME_DETECT(response_body);
RINGTIME_DETECT(gather_bytes_max);
#undef RINGTIME_DETECT

template <typename T, typename = void>
struct has_core_state : std::false_type {};
template <typename T>
struct has_core_state<T, std::void_t<typename T::CoreState>> : std::true_type {};

template <typename T, typename = void>
struct core_state_of {
    struct type {};
};
template <typename T>
struct core_state_of<T, std::void_t<typename T::CoreState>> {
    using type = typename T::CoreState;
};

/// The plugin and the context it was made with: what `self` points to.
template <typename T>
struct Holder {
    Holder(const ringtime_host* host, ringtime_context* raw) : context(host, raw), plugin(make()) {}

    T make() {
        if constexpr (std::is_constructible_v<T, Context&>) {
            return T(context);
        } else {
            return T();
        }
    }

    Context context;
    T plugin;
};

/// Text of the exception being handled, into `out`: it may die with the exception.
inline std::string_view exception_text(char* out, size_t size) noexcept {
    const char* what = "an exception that is no std::exception";
    size_t used = 0;
    auto copy = [&](const char* from) {
        for (; from[used] != 0 && used < size; ++used) out[used] = from[used];
    };
    try {
        throw;
    } catch (const std::exception& error) {
        copy(error.what());
    } catch (...) {
        copy(what);
    }
    return {out, used};
}

/// The functions of the table. Each is a boundary: nothing is thrown across it.
template <typename T>
struct Trampolines {
    using Held = Holder<T>;
    static T& plugin(void* self) noexcept { return static_cast<Held*>(self)->plugin; }

    static ringtime_verdict failed(void* self, const char* hook) noexcept {
        report(static_cast<Held*>(self)->context, hook);
        return RINGTIME_FAIL;
    }
    static void report(const Context& context, const char* hook) noexcept {
        char line[320];
        size_t used = std::strlen(hook);
        std::memcpy(line, hook, used);
        std::memcpy(line + used, " threw: ", 8);
        used += 8;
        used += exception_text(line + used, sizeof line - used).size();
        context.error({line, used});
    }

    static int on_init(const ringtime_host* host, ringtime_context* raw, void** self) noexcept {
        Held* held = nullptr;
        try {
            held = new Held(host, raw);
            if constexpr (has_on_init<T>::value) held->plugin.on_init(held->context);
        } catch (...) {
            char why[256];
            Context(host, raw).fail(exception_text(why, sizeof why));
            delete held;
            return -1;
        }
        *self = held;
        return 0;
    }
    static void on_shutdown(void* self) noexcept {
        auto* held = static_cast<Held*>(self);
        if constexpr (has_on_shutdown<T>::value) {
            try {
                held->plugin.on_shutdown();
            } catch (...) {
                report(held->context, "on_shutdown");
            }
        }
        delete held;
    }

    static int on_config(void* self, ringtime_context*) noexcept {
        auto* held = static_cast<Held*>(self);
        try {
            held->plugin.on_config(held->context);
            return 0;
        } catch (...) {
            char why[256];
            held->context.fail(exception_text(why, sizeof why));
            return -1;
        }
    }

    static int on_core_start(void* self, ringtime_core* raw, void** state) noexcept {
        auto* held = static_cast<Held*>(self);
        Core core(held->context.host(), raw);
        try {
            if constexpr (has_core_state<T>::value) {
                using State = typename core_state_of<T>::type;
                if constexpr (std::is_constructible_v<State, T&, Core&>) {
                    *state = new State(held->plugin, core);
                } else {
                    *state = new State();
                }
            }
            if constexpr (has_on_core_start<T>::value) held->plugin.on_core_start(core);
            return 0;
        } catch (...) {
            // on_core_stop is not called for a core that did not start.
            if constexpr (has_core_state<T>::value) {
                delete static_cast<typename core_state_of<T>::type*>(*state);
                *state = nullptr;
            }
            report(held->context, "on_core_start");
            return -1;
        }
    }
    static void on_core_stop(void* self, ringtime_core* raw, void* state) noexcept {
        auto* held = static_cast<Held*>(self);
        if constexpr (has_on_core_stop<T>::value) {
            Core core(held->context.host(), raw);
            try {
                held->plugin.on_core_stop(core);
            } catch (...) {
                report(held->context, "on_core_stop");
            }
        }
        if constexpr (has_core_state<T>::value)
            delete static_cast<typename core_state_of<T>::type*>(state);
        (void)raw;
        (void)state;
    }

    static void on_server_start(void* self) noexcept {
        try {
            plugin(self).on_server_start();
        } catch (...) {
            failed(self, "on_server_start");
        }
    }
    static ringtime_verdict on_request(void* self, const ringtime_request* raw) noexcept {
        Request request(raw);
        try {
            return static_cast<ringtime_verdict>(
                verdict_of([&] { return plugin(self).on_request(request); }));
        } catch (...) {
            return failed(self, "on_request");
        }
    }
    static ringtime_verdict on_resume(void* self, const ringtime_request* raw,
                                      uint64_t value) noexcept {
        Request request(raw);
        try {
            return static_cast<ringtime_verdict>(
                verdict_of([&] { return plugin(self).on_resume(request, value); }));
        } catch (...) {
            return failed(self, "on_resume");
        }
    }
    static void on_resume_late(void* self, uint64_t value) noexcept {
        try {
            plugin(self).on_resume_late(value);
        } catch (...) {
            failed(self, "on_resume_late");
        }
    }
    static ringtime_verdict on_request_body(void* self, const ringtime_request* raw,
                                            const ringtime_chunk* raw_chunk) noexcept {
        Request request(raw);
        Chunk chunk(raw, raw_chunk);
        try {
            return static_cast<ringtime_verdict>(
                verdict_of([&] { return plugin(self).on_request_body(request, chunk); }));
        } catch (...) {
            return failed(self, "on_request_body");
        }
    }
    static ringtime_verdict on_response(void* self, const ringtime_request* raw,
                                        const ringtime_response* raw_response) noexcept {
        Request request(raw);
        Response response(raw, raw_response);
        try {
            return static_cast<ringtime_verdict>(
                verdict_of([&] { return plugin(self).on_response(request, response); }));
        } catch (...) {
            return failed(self, "on_response");
        }
    }
    static ringtime_verdict on_response_body(void* self, const ringtime_request* raw,
                                             const ringtime_chunk* raw_chunk) noexcept {
        Request request(raw);
        Chunk chunk(raw, raw_chunk);
        try {
            return static_cast<ringtime_verdict>(
                verdict_of([&] { return plugin(self).on_response_body(request, chunk); }));
        } catch (...) {
            return failed(self, "on_response_body");
        }
    }
    static void on_done(void* self, const ringtime_request* raw,
                        const ringtime_summary* summary) noexcept {
        Request request(raw);
        try {
            plugin(self).on_done(request, *summary);
        } catch (...) {
            failed(self, "on_done");
        }
    }
    static void on_worker_spawn(void* self, const ringtime_worker* worker) noexcept {
        try {
            plugin(self).on_worker_spawn(*worker);
        } catch (...) {
            failed(self, "on_worker_spawn");
        }
    }
    static void on_worker_terminate(void* self, const ringtime_worker* worker) noexcept {
        try {
            plugin(self).on_worker_terminate(*worker);
        } catch (...) {
            failed(self, "on_worker_terminate");
        }
    }
};

template <typename T>
constexpr uint32_t table_flags() noexcept {
    if constexpr (has_run_on_public<T>::value) {
        return T::run_on_public ? RINGTIME_RUN_ON_PUBLIC : 0;
    }
    return 0;
}

template <typename T>
constexpr uint8_t request_body_mode() noexcept {
    if constexpr (!has_on_request_body<T>::value) return RINGTIME_BODY_NONE;
    if constexpr (has_request_body<T>::value) return static_cast<uint8_t>(T::request_body);
    return RINGTIME_BODY_OBSERVE;
}

template <typename T>
constexpr uint8_t response_body_mode() noexcept {
    if constexpr (!has_on_response_body<T>::value) return RINGTIME_BODY_NONE;
    if constexpr (has_response_body<T>::value) return static_cast<uint8_t>(T::response_body);
    return RINGTIME_BODY_OBSERVE;
}

template <typename T>
constexpr uint64_t gather_limit() noexcept {
    if constexpr (has_gather_bytes_max<T>::value) return T::gather_bytes_max;
    return 0;
}

/// Only hooks that exist are entered; taking the address of the others would instantiate them.
template <typename T>
constexpr ringtime_plugin_table make_table() noexcept {
    using Calls = Trampolines<T>;
    ringtime_plugin_table table{};
    table.struct_size = sizeof table;
    table.abi_version = RINGTIME_ABI_VERSION;
    table.flags = table_flags<T>();
    table.request_body = request_body_mode<T>();
    table.response_body = response_body_mode<T>();
    table.gather_bytes_max = gather_limit<T>();
    table.on_init = &Calls::on_init;
    table.on_shutdown = &Calls::on_shutdown;
    if constexpr (has_on_config<T>::value) table.on_config = &Calls::on_config;
    if constexpr (has_on_core_start<T>::value || has_core_state<T>::value)
        table.on_core_start = &Calls::on_core_start;
    if constexpr (has_on_core_stop<T>::value || has_core_state<T>::value)
        table.on_core_stop = &Calls::on_core_stop;
    if constexpr (has_on_server_start<T>::value) table.on_server_start = &Calls::on_server_start;
    if constexpr (has_on_request<T>::value) table.on_request = &Calls::on_request;
    if constexpr (has_on_resume<T>::value) table.on_resume = &Calls::on_resume;
    if constexpr (has_on_resume_late<T>::value) table.on_resume_late = &Calls::on_resume_late;
    if constexpr (has_on_request_body<T>::value) table.on_request_body = &Calls::on_request_body;
    if constexpr (has_on_response<T>::value) table.on_response = &Calls::on_response;
    if constexpr (has_on_response_body<T>::value) table.on_response_body = &Calls::on_response_body;
    if constexpr (has_on_done<T>::value) table.on_done = &Calls::on_done;
    if constexpr (has_on_worker_spawn<T>::value) table.on_worker_spawn = &Calls::on_worker_spawn;
    if constexpr (has_on_worker_terminate<T>::value)
        table.on_worker_terminate = &Calls::on_worker_terminate;
    return table;
}

}  // namespace detail
}  // namespace ringtime
