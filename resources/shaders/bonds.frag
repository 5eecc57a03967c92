#version 330 core
#include "common.glsl"
#include "fragment.glsl"
uniform float radius;
flat in vec3 foot;
flat in vec3 axis;
flat in vec3 base;
in vec3 on_quad;
void main() {
    vec3 origin, direction;
    ray(on_quad, origin, direction);
    float height = length(axis);
    vec3 unit = axis / height;
    vec3 oc = origin - foot;
    float card = dot(unit, direction), caoc = dot(unit, oc);
    float a = 1.0 - card * card;
    float b = dot(oc, direction) - caoc * card;
    float c = dot(oc, oc) - caoc * caoc - radius * radius;
    float d = b * b - a * c;
    if (d < 0.0) discard;
    float root = sqrt(d);
    float t = (-b - root) / max(a, 1e-7);
    float along = caoc + t * card;
    vec3 normal;
    if (along >= 0.0 && along <= height) {
        normal = (oc + t * direction - along * unit) / radius;
    } else {
        float end = along < 0.0 ? 0.0 : height;
        t = (end - caoc) / card;
        if (abs(b + a * t) >= root) discard;
        normal = along < 0.0 ? -unit : unit;
    }
    vec3 hit = origin + t * direction;
    color_out = pixel(faded(shaded(base, normal, direction, 0.35), hit.z));
    gl_FragDepth = depth_of(hit.z);
}
