// The loads of bench/load.hpp on SystemC: a method per message or ticking CPU, at nanosecond resolution, woken either
// by an sc_event that it notifies ("event") or by next_trigger ("trigger").
#include <cstdint>
#include <cstdio>
#include <memory>
#include <systemc>
#include <utility>
#include <vector>

#include "load.hpp"

namespace {

using namespace ticklab::bench;

std::uint64_t now_ns() { return sc_core::sc_time_stamp().value(); }

sc_core::sc_time span(std::uint64_t ns) { return sc_core::sc_time::from_value(ns); }

// One method and the way it is woken.
class Waking : public sc_core::sc_module {
public:
    SC_HAS_PROCESS(Waking);
    Waking(const sc_core::sc_module_name& name, bool by_event) : sc_core::sc_module(name), by_event_(by_event) {
        SC_METHOD(woken);
        if (by_event_) {
            sensitive << event_;
        }
    }

protected:
    virtual std::uint64_t first_delay_ns() = 0;
    virtual std::uint64_t act() = 0;

private:
    void woken() {
        // The method's first run, at instant 0, only starts it.
        const std::uint64_t delay = std::exchange(started_, true) ? act() : first_delay_ns();
        if (by_event_) {
            event_.notify(span(delay));
        } else {
            next_trigger(span(delay));
        }
    }
    sc_core::sc_event event_;
    bool by_event_;
    bool started_ = false;
};

class Message final : public Waking {
public:
    Message(const sc_core::sc_module_name& name, bool by_event, std::vector<Process>& processes, std::uint32_t number)
        : Waking(name, by_event), processes_(processes), number_(number), to_(number) {}

private:
    std::uint64_t first_delay_ns() override {
        const Phold::Hop hop = Phold::hop(number_, hops_++, to_, static_cast<std::uint32_t>(processes_.size()));
        to_ = hop.to;
        return hop.delay_ns;
    }
    std::uint64_t act() override {
        processes_[to_].handle(now_ns(), number_);
        return first_delay_ns();
    }
    std::vector<Process>& processes_;
    std::uint32_t number_;
    std::uint32_t hops_ = 0;
    std::uint32_t to_;
};

class Ticker final : public Waking {
public:
    Ticker(const sc_core::sc_module_name& name, bool by_event, std::vector<Process>& processes, std::uint32_t number)
        : Waking(name, by_event), processes_(processes), number_(number) {}

private:
    std::uint64_t first_delay_ns() override {
        return Ticks::first_ns(number_, static_cast<std::uint32_t>(processes_.size()));
    }
    std::uint64_t act() override {
        processes_[number_].handle(now_ns(), number_);
        return Ticks::kPeriodNs;
    }
    std::vector<Process>& processes_;
    std::uint32_t number_;
};

template <class Module>
void run(const Request& request) {
    std::vector<Process> processes(request.processes);
    std::vector<std::unique_ptr<Module>> modules;
    for (std::uint32_t i = 0; i < request.processes; ++i) {
        modules.push_back(
            std::make_unique<Module>(("m" + std::to_string(i)).c_str(), request.variant == "event", processes, i));
    }
    // Elaboration and the first run of each method are not measured.
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    const Stopwatch watch;
    sc_core::sc_start(span(request.virtual_ns));
    print_result("systemc", request.variant.c_str(), request, processes, watch.seconds());
}

}  // namespace

int sc_main(int argc, char** argv) {
    const Request request = parse_request(argc, argv);
    if (request.variant != "event" && request.variant != "trigger") {
        std::fprintf(stderr, "unknown variant '%s': expected event or trigger\n", request.variant.c_str());
        return 2;
    }
    sc_core::sc_set_time_resolution(1, sc_core::SC_NS);
    request.load == "phold" ? run<Message>(request) : run<Ticker>(request);
    return 0;
}
