#include <ringtime/worker.hpp>
using namespace ringtime::worker;

struct Hello {
    Response fetch(const Request& request) {
        return Response::text("hello from " + std::string(request.path()) + "\n");
    }
};
RINGTIME_APP(Hello)
