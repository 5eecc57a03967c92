#version 330 core
#include "common.glsl"
#include "fragment.glsl"
uniform vec3 selection;
uniform vec3 hover;
flat in vec3 center;
flat in float radius;
flat in vec3 base;
flat in int mark;
in vec3 on_quad;
void main() {
    vec3 origin, direction;
    ray(on_quad, origin, direction);
    vec3 oc = origin - center;
    float along = dot(oc, direction);
    vec3 nearest = oc - along * direction;
    float off2 = dot(nearest, nearest);
    float inside = radius * radius - off2;
    if (inside >= 0.0) {
        vec3 hit = origin + (-along - sqrt(inside)) * direction;
        vec3 normal = (hit - center) / radius;
        vec3 color = shaded(base, normal, direction, 1.0);
        if ((mark & 2) != 0) color = mix(color, vec3(1.0), 0.16);
        color_out = pixel(faded(color, hit.z));
        gl_FragDepth = depth_of(hit.z);
        return;
    }
    float off = sqrt(off2) / radius;
    bool selected = (mark & 1) != 0;
    if (mark == 0 || off < 1.06 || off > (selected ? 1.30 : 1.18)) discard;
    color_out = pixel(selected ? selection : hover);
    gl_FragDepth = depth_of(center.z);
}
