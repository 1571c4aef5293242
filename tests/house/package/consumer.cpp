#include <cstdio>
#include <ticklab/sim/time.hpp>

int main() {
    using namespace ticklab::sim;
    const Time sum = saturating_add(kBoot, std::chrono::microseconds(250));
    std::printf("%lld ns\n", static_cast<long long>(ns_floor(sum)));
    return ns_floor(sum) == 250'000 ? 0 : 1;
}
