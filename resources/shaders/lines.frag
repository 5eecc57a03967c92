#version 330 core
#include "common.glsl"
#include "fragment.glsl"
uniform vec3 line;
in float view_z;
void main() {
    color_out = pixel(faded(line, view_z));
    gl_FragDepth = depth_of(view_z);
}
