#include "server/turn.h"

#include <time.h>

uint64_t turn_clock_us(void)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void turn_open(struct turn *t)
{
    t->open = true;
    t->number++;
    t->now_us = turn_clock_us();
    resolver_tick(t->resolver, t->now_us);
}
